/**
 * Run by the Observability component after it wrote the scrape targets: waits until Prometheus has each of them, has
 * scraped it just now and reports it up, and has forgotten those of replicas that no longer serve. Otherwise it says
 * which is wrong, and what is missing in prometheus.yml.
 *
 * Environment: PROMETHEUS_URL; AUDIT_TARGETS, the list as written; AUDIT_TARGETS_PLACE, where it was written, or the
 * address at which it is served; AUDIT_TARGETS_DEADLINE, seconds, default 90.
 */
import { parse } from "yaml";
import { PrometheusApi, untilRight, type ActiveTarget } from "../lib/prometheus-api";
import { whyNoAnswer } from "../lib/unknown-authority";

interface TargetGroup {
  targets: string[];
  labels: Record<string, string>;
}

/** One line for each wanted target that is not up, or whose last scrape is old, and for each of ours that should be gone. */
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
    ...left.map(({ labels }) => `${key(labels)}: Prometheus still scrapes it, though it serves no more`),
  ];
}

/**
 * As {@link problems}, after a deploy, when the list as written is not at hand: each target of the environment is as it should be, and
 * the edge and the release's replicas are among them.
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

function problem({ labels }: TargetGroup, found: ActiveTarget, now: number): string | undefined {
  if (found.labels.release !== labels.release)
    return `Prometheus still has it as release ${found.labels.release ?? "(none)"}`;
  if (found.health !== "up") return `${found.health}; ${found.scrapeUrl}: ${found.lastError || "not scraped yet"}`;
  const age = (now - Date.parse(found.lastScrape)) / 1000;
  // Two intervals and a scrape that takes its whole time-out; the answer's date has whole seconds.
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

interface ScrapeJob {
  job_name: string;
  honor_labels?: boolean;
  file_sd_configs?: { files?: string[] }[];
  http_sd_configs?: { url?: string }[];
}

/**
 * What is missing in prometheus.yml for targets that Prometheus does not know, in a sentence or two.
 * @param yaml prometheus.yml as Prometheus reports it
 * @param place where the targets are: an http address, or a directory or volume
 */
export function missingInConfig(yaml: string, place: string): string {
  const { scrape_configs: jobs = [] } = (parse(yaml) ?? {}) as { scrape_configs?: ScrapeJob[] };
  const lines = `add the lines of docs/guide.md, step 5, and reload it`;
  if (/^https?:/.test(place)) {
    const urls = jobs.flatMap((job) => job.http_sd_configs ?? []).map(({ url = "" }) => url);
    if (urls.includes(place)) return `Its http_sd_configs ask ${place}; its log says why it got no targets there.`;
    const others =
      urls.length === 0 ? "no scrape job with http_sd_configs" : `http_sd_configs only for ${urls.join(", ")}`;
    return `prometheus.yml has ${others}, and the targets are at ${place}: ${lines}.`;
  }
  const files = jobs.flatMap((job) => job.file_sd_configs ?? []).flatMap((config) => config.files ?? []);
  if (files.length === 0) return `prometheus.yml has no scrape job with file_sd_configs: ${lines}.`;
  return `Its file_sd_configs read ${files.join(", ")}; the targets were written to audit:prometheusTargets (${place}). Is one of them that place, as Prometheus sees it?`;
}

/**
 * Asks Prometheus for its targets until nothing is wrong with them, or the time is over.
 * @returns what was wrong at last
 */
export function untilTargetsAreRight(
  api: PrometheusApi,
  seconds: number,
  wrong: (active: readonly ActiveTarget[], now: number) => string[],
): Promise<string[]> {
  return untilRight(seconds, async () => {
    try {
      const { targets, now } = await api.activeTargets();
      return wrong(targets, now);
    } catch (error) {
      return [`audit:prometheusUrl ${api.url} does not answer: ${whyNoAnswer(error)}`];
    }
  });
}

async function main(): Promise<void> {
  const api = new PrometheusApi(process.env.PROMETHEUS_URL ?? "");
  const wanted = JSON.parse(process.env.AUDIT_TARGETS ?? "[]") as TargetGroup[];
  const deadline = Number(process.env.AUDIT_TARGETS_DEADLINE ?? "90");
  const wrong = await untilTargetsAreRight(api, deadline, (active, now) => problems(wanted, active, now));
  if (wrong.length === 0) return;
  const unknown = wrong.some((line) => line.endsWith("does not know it"));
  const hint = unknown
    ? await api.config().then(
        (yaml) => [missingInConfig(yaml, process.env.AUDIT_TARGETS_PLACE ?? "")],
        () => [],
      )
    : [];
  console.error(
    [
      `${wrong.length} of the scrape targets are not as they should be:`,
      ...wrong.map((line) => `  - ${line}`),
      ...hint,
    ].join("\n"),
  );
  process.exitCode = 1;
}

if (require.main === module) void main();
