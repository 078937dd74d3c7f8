import type { Credentials } from "./credentials";
import type { Exec } from "./exec";
import type { Job } from "./failure";
import { openCluster } from "./kubeconfig";
import { openSsh, type SshSession } from "./ssh";
import type { StackFile } from "./stack-file";

/**
 * The logins to where the stack runs, for the duration of the job: for a VM by SSH; for a cluster by a kubeconfig, and
 * by SSH only if Prometheus's files are on a host that is reached so.
 *
 * @param may as of {@link openSsh}; a kubeconfig says itself what it allows
 */
export async function openSession(
  job: Job,
  credentials: Credentials,
  exec: Exec,
  file: StackFile,
  may: "read" | "write" = "write",
): Promise<SshSession> {
  if (file("audit:platform") !== "kubernetes") return openSsh(job, credentials, exec, may);
  const cluster = openCluster(credentials, file("audit:kubeContext"));
  if (file("audit:prometheusHost")?.startsWith("ssh://") !== true)
    return { env: cluster.env, close: () => Promise.resolve(cluster.close()) };
  try {
    const ssh = await openSsh(job, credentials, exec, may);
    return {
      env: { ...ssh.env, ...cluster.env },
      close: async () => {
        cluster.close();
        await ssh.close();
      },
    };
  } catch (error) {
    cluster.close();
    throw error;
  }
}
