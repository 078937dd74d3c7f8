/**
 * Run by the Observability component after it wrote the scrape targets: waits until Prometheus has each of them, has
 * scraped it recently and reports it up, and has dropped those of replicas that no longer serve. Otherwise it reports
 * which target is wrong and what is missing in prometheus.yml.
 *
 * Environment: PROMETHEUS_URL; AUDIT_TARGETS, the list as written; AUDIT_TARGETS_PLACE, where it was written, or the
 * address at which it is served; AUDIT_TARGETS_DEADLINE, seconds, default 90.
 */
import { parse } from "yaml";
import { argumentName } from "../lib/argument-names";
import { PrometheusApi } from "../lib/prometheus-api";
import { problems, untilTargetsAreRight, type TargetGroup } from "../lib/prometheus-targets";

interface ScrapeJob {
  job_name: string;
  honor_labels?: boolean;
  file_sd_configs?: { files?: string[] }[];
  http_sd_configs?: { url?: string }[];
}

/**
 * What prometheus.yml lacks if Prometheus does not know the targets, in one or two sentences.
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
  return `Its file_sd_configs read ${files.join(", ")}; the targets were written to ${argumentName("Observability: prometheus.targets.directory")} (${place}). Is one of them that place, as Prometheus sees it?`;
}

async function main(): Promise<void> {
  const api = new PrometheusApi(process.env.PROMETHEUS_URL ?? "");
  const wanted = JSON.parse(process.env.AUDIT_TARGETS ?? "[]") as TargetGroup[];
  const deadline = Number(process.env.AUDIT_TARGETS_DEADLINE ?? "90");
  const wrong = await untilTargetsAreRight(
    api,
    argumentName("Observability: prometheus.url"),
    deadline,
    (active, now) => problems(wanted, active, now),
  );
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
