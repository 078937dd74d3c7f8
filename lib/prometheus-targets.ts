import { untilRight, type ActiveTarget, type PrometheusApi } from "./prometheus-api";
import { whyNoAnswer } from "./unknown-authority";

/** Checks that Prometheus scrapes what it should, at the end of a deploy and in the smoke test after it. */

export interface TargetGroup {
  targets: string[];
  labels: Record<string, string>;
}

/**
 * One line for each wanted target that is not up or whose last scrape is too old, and for each of ours that should be
 * gone.
 */
export function problems(wanted: readonly TargetGroup[], active: readonly ActiveTarget[], now: number): string[] {
  const key = (labels: Record<string, string>) => `${labels.job ?? ""} ${labels.instance ?? ""}`;
  const environments = new Set(wanted.map(({ labels }) => labels.environment));
  const jobs = new Set(wanted.map(({ labels }) => labels.job));
  const names = new Set(wanted.map(({ labels }) => key(labels)));
  const left = active.filter(
    ({ labels }) => environments.has(labels.environment) && jobs.has(labels.job) && !names.has(key(labels)),
  );
  return [
    ...wanted.flatMap((group) => {
      const name = key(group.labels);
      const found = active.find((target) => key(target.labels) === name);
      const wrong = found === undefined ? "Prometheus does not know it" : problem(group, found, now);
      return wrong === undefined ? [] : [`${name}: ${wrong}`];
    }),
    ...left.map(({ labels }) => `${key(labels)}: Prometheus still scrapes it, although it no longer serves`),
  ];
}

/**
 * Like {@link problems}, for use after a deploy, without the list of wanted targets: checks that every target of the
 * environment is up, and that the edge and the release's replicas are among them.
 */
export function problemsOf(
  { environment, release }: { environment: string; release: string },
  active: readonly ActiveTarget[],
  now: number,
): string[] {
  const ours = active.filter(({ labels }) => labels.environment === environment);
  const wanted = ours.map(({ labels }) => ({ targets: [], labels }));
  const has = (job: string, of?: string): boolean =>
    ours.some(({ labels }) => labels.job === job && (of === undefined || labels.release === of));
  return [
    ...problems(wanted, ours, now),
    ...(has("audit-svc", release) ? [] : [`no audit-svc target of release ${release}`]),
    ...(has("nginx") ? [] : ["no nginx target"]),
  ];
}

/**
 * As {@link problemsOf}, where targets come and go by themselves: so many replicas of the release are among them. One
 * that does not tell its release is taken for one of it.
 */
export function problemsOfPods(
  { environment, release, pods }: { environment: string; release: string; pods: number },
  active: readonly ActiveTarget[],
  now: number,
): string[] {
  const known = active.map((target) =>
    target.labels.release === "unknown" ? { ...target, labels: { ...target.labels, release } } : target,
  );
  const there = known.filter(
    ({ labels }) => labels.environment === environment && labels.job === "audit-svc" && labels.release === release,
  ).length;
  const few = there > 0 && there < pods ? [`${there} of ${pods} audit-svc targets of release ${release}`] : [];
  return [...problemsOf({ environment, release }, known, now), ...few];
}

function problem({ labels }: TargetGroup, found: ActiveTarget, now: number): string | undefined {
  if (found.labels.release !== labels.release)
    return `Prometheus still has it as release ${found.labels.release ?? "(none)"}`;
  if (found.health !== "up") return `${found.health}; ${found.scrapeUrl}: ${found.lastError || "not scraped yet"}`;
  const age = (now - Date.parse(found.lastScrape)) / 1000;
  // Two intervals plus a scrape that takes its whole timeout; the response's date has whole seconds.
  const limit = 3 * seconds(found.scrapeInterval) + 1;
  return age > limit ? `up, but not scraped for ${Math.round(age)} s` : undefined;
}

/** A duration as Prometheus writes it, `1m30s`, in seconds. */
export function seconds(duration: string): number {
  const units: Record<string, number> = { ms: 0.001, s: 1, m: 60, h: 3600, d: 86_400 };
  return [...duration.matchAll(/(\d+)(ms|[smhd])/g)].reduce(
    (sum, [, count, unit = "s"]) => sum + Number(count) * (units[unit] ?? 0),
    0,
  );
}

/**
 * Asks Prometheus for its targets until nothing is wrong with them or the time is over.
 * @param setting how messages name the setting for Prometheus
 * @returns what the last check found wrong
 */
export function untilTargetsAreRight(
  api: PrometheusApi,
  setting: string,
  seconds: number,
  wrong: (active: readonly ActiveTarget[], now: number) => string[],
): Promise<string[]> {
  return untilRight(seconds, async () => {
    try {
      const { targets, now } = await api.activeTargets();
      return wrong(targets, now);
    } catch (error) {
      return [`${setting} ${api.url} does not answer: ${whyNoAnswer(error)}`];
    }
  });
}
