import { parse } from "yaml";
import { argumentName } from "./argument-names";

interface ScrapeJob {
  job_name: string;
  honor_labels?: boolean;
  file_sd_configs?: { files?: string[] }[];
  http_sd_configs?: { url?: string }[];
}

/**
 * The scrape jobs of prometheus.yml as Prometheus reports it, what its rule_files name, and the files with more jobs,
 * which Prometheus reads and does not report.
 */
export function readConfig(yaml: string): { jobs: ScrapeJob[]; ruleFiles: string[]; jobFiles: string[] } {
  const {
    scrape_configs: jobs = [],
    rule_files: ruleFiles = [],
    scrape_config_files: jobFiles = [],
  } = (parse(yaml) ?? {}) as { scrape_configs?: ScrapeJob[]; rule_files?: string[]; scrape_config_files?: string[] };
  return { jobs, ruleFiles, jobFiles };
}

/** That jobs may also be where Prometheus does not show them; empty if it reads no such files. */
export const unseenJobs = (jobFiles: readonly string[]): string =>
  jobFiles.length === 0 ? "" : `; what it reads from ${jobFiles.join(", ")} (scrape_config_files), it does not show`;

/**
 * What prometheus.yml lacks if Prometheus does not know the targets, in one or two sentences.
 * @param yaml prometheus.yml as Prometheus reports it
 * @param place where the targets are: an http address, a directory or volume, or `podMonitor`
 */
export function missingInConfig(yaml: string, place: string): string {
  const { jobs, jobFiles } = readConfig(yaml);
  const lines = `add the lines that \`audit init\` writes (docs/guide.md, step 3; for a cluster docs/cluster.md, step 3), and reload it`;
  if (/^https?:/.test(place)) {
    const urls = jobs.flatMap((job) => job.http_sd_configs ?? []).map(({ url = "" }) => url);
    if (urls.includes(place)) return `Its http_sd_configs ask ${place}; its log says why it got no targets there.`;
    const others =
      urls.length === 0 ? "no scrape job with http_sd_configs" : `http_sd_configs only for ${urls.join(", ")}`;
    return `prometheus.yml has ${others}, and the targets are at ${place}: ${lines}${unseenJobs(jobFiles)}.`;
  }
  if (place === "podMonitor")
    return `Its operator makes scrape jobs of PodMonitors. In its resource Prometheus, podMonitorNamespaceSelector must choose this namespace, and podMonitorSelector the labels of ${argumentName("Cluster: podMonitors.labels")}.`;
  const files = jobs.flatMap((job) => job.file_sd_configs ?? []).flatMap((config) => config.files ?? []);
  if (files.length === 0)
    return `prometheus.yml has no scrape job with file_sd_configs: ${lines}${unseenJobs(jobFiles)}.`;
  return `Its file_sd_configs read ${files.join(", ")}; the targets were written to ${argumentName("Observability: prometheus.targets.directory")} (${place}). Is one of them that place, as Prometheus sees it?`;
}
