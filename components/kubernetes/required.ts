/**
 * The first version of Kubernetes with everything that pods here need: native sidecars (1.29) and a pause by `sleep` in
 * preStop (1.30).
 */
const OLDEST = { major: 1, minor: 30 };
export const OLDEST_VERSION = `${OLDEST.major}.${OLDEST.minor}`;

/** What Prometheus' operator adds to a cluster's API, as far as it is used here. */
export const POD_MONITOR = { apiVersion: "monitoring.coreos.com/v1", kind: "PodMonitor" } as const;

/** A version as `kubectl version --output json` prints it. */
export interface Version {
  gitVersion: string;
}

/** Its numbers, by `v1.34.4-gke.1`: the fields beside it are empty where Kubernetes was built without them. */
export function numbersOf({ gitVersion }: Version): { major: number; minor: number } {
  const [major = 0, minor = 0] = (/^v(\d+)\.(\d+)/.exec(gitVersion) ?? []).slice(1).map(Number);
  return { major, minor };
}

export function isTooOld(version: Version): boolean {
  const { major, minor } = numbersOf(version);
  return major < OLDEST.major || (major === OLDEST.major && minor < OLDEST.minor);
}
