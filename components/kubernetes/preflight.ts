import { execFile } from "node:child_process";
import { argumentName } from "../../lib/argument-names";
import { UserError } from "../../lib/user-error";

/**
 * The first version of Kubernetes with everything that pods here need: native sidecars (1.29) and a pause by `sleep` in
 * preStop (1.30).
 */
const OLDEST = { major: 1, minor: 30 };

interface Versions {
  serverVersion?: { major: string; minor: string; gitVersion: string };
}

/**
 * Looks, before anything is changed, whether kubectl reaches the cluster, and whether that is new enough.
 *
 * @throws UserError naming what is wrong, and the cure
 */
export async function checkCluster({ context }: { context: string }): Promise<void> {
  const { serverVersion } = JSON.parse(await kubectlVersion(context)) as Versions;
  const { major = "0", minor = "0", gitVersion = "?" } = serverVersion ?? {};
  // Some clouds write "30+".
  const [is, minorIs] = [Number.parseInt(major), Number.parseInt(minor)];
  if (is > OLDEST.major || (is === OLDEST.major && minorIs >= OLDEST.minor)) return;
  throw new UserError(
    `The cluster of ${argumentName("Cluster: context")} ${context} is Kubernetes ${gitVersion}; ${OLDEST.major}.${OLDEST.minor} or newer is needed, ` +
      "which has native sidecars and a pause before a container's end. Upgrade the cluster. Nothing was changed.",
  );
}

function kubectlVersion(context: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const words = ["--context", context, "version", "--output", "json", "--request-timeout", "10s"];
    execFile("kubectl", words, (error, stdout, stderr) => {
      if (error === null) return resolve(stdout);
      if ((error as NodeJS.ErrnoException).code === "ENOENT") {
        return reject(
          new UserError(
            "kubectl is not installed on this machine; the deploy runs it, in a version that fits the cluster's. Nothing was changed.",
          ),
        );
      }
      const reason = stderr.trim().split("\n").at(-1) ?? error.message;
      reject(
        new UserError(
          `The cluster of ${argumentName("Cluster: context")} ${context} cannot be reached: ${reason} (KUBECONFIG names the file with the context). Nothing was changed.`,
        ),
      );
    });
  });
}
