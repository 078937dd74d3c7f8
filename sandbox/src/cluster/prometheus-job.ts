import { stringify } from "yaml";
import type { Context } from "../platform/context.js";
import { containerName } from "../settings.js";
import { nodePorts } from "./layout.js";

const path = "/etc/prometheus/jobs/cluster.yml";

/**
 * Makes Prometheus ask the cluster's edge for targets, on every node: only nodes with a pod of the edge answer.
 * @returns true when there was nothing to do
 */
export async function ensurePrometheusJob(context: Context, nodes: readonly string[]): Promise<boolean> {
  const urls = nodes.map((node) => ({ url: `http://${node}:${nodePorts.metrics}/targets`, refresh_interval: "5s" }));
  const jobs = [{ job_name: "cluster", http_sd_configs: urls }];
  return write(context, stringify({ scrape_configs: jobs }));
}

export const removePrometheusJob = (context: Context): Promise<boolean> => write(context, "scrape_configs: []\n");

async function write({ engine, settings }: Context, content: string): Promise<boolean> {
  const name = containerName("prometheus");
  const present = await engine.exec(name, ["cat", path]).catch(() => "");
  // exec() uses a terminal, which changes line ends.
  if (present.replaceAll("\r\n", "\n") === content) return true;
  await engine.putFiles(name, [{ path, content }]);
  const answer = await fetch(`http://127.0.0.1:${settings.ports.prometheus}/-/reload`, { method: "POST" });
  if (!answer.ok) throw new Error(`Prometheus refused the cluster's job: ${(await answer.text()).trim()}`);
  return false;
}
