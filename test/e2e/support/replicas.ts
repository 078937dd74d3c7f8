import type { Sandbox } from "./sandbox";

/** Replicas of the service that run on VM2, whichever slot is active. */
export async function replicas(sandbox: Sandbox): Promise<string[]> {
  const names = (await sandbox.docker("ps", "--format", "{{.Names}}"))
    .split("\n")
    .filter((name) => /^audit-svc-(blue|green)-\d+$/.test(name))
    .sort();
  if (names.length === 0) throw new Error("no replica of the service runs on VM2");
  return names;
}

/** Programs that request /metrics inside a container, by the runtime of its image. */
const ASK = {
  node: "fetch(`http://${process.env.AUDIT_LISTEN}/metrics`).then((r) => r.text()).then((t) => console.log(t))",
  python3:
    "import os, urllib.request as r; print(r.urlopen('http://' + os.environ['AUDIT_LISTEN'] + '/metrics').read().decode())",
};

/** A replica's own /metrics, requested inside its container, because nothing else may. */
export async function metricsOf(sandbox: Sandbox, replica: string): Promise<string> {
  const either = 'if command -v node > /dev/null; then exec node -e "$0"; else exec python3 -c "$1"; fi';
  return sandbox.docker("exec", replica, "sh", "-c", either, ASK.node, ASK.python3);
}

/** How many times each replica was asked to reload, with any result. */
export async function reloadsOf(sandbox: Sandbox): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const replica of await replicas(sandbox)) {
    const lines = (await metricsOf(sandbox, replica))
      .split("\n")
      .filter((line) => line.startsWith("audit_config_reloads_total{"));
    if (lines.length === 0) throw new Error(`${replica} shows no audit_config_reloads_total`);
    counts[replica] = lines.reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
  }
  return counts;
}

/** Digest of each replica's configuration in force. */
export async function digestsOf(sandbox: Sandbox): Promise<string[]> {
  const digests: string[] = [];
  for (const replica of await replicas(sandbox)) {
    digests.push(
      /audit_config_digest_info\{digest="([0-9a-f]{64})"\} 1/.exec(await metricsOf(sandbox, replica))?.[1] ?? "none",
    );
  }
  return digests;
}
