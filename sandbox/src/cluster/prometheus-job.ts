import { stringify } from "yaml";
import type { Context } from "../platform/context.js";
import { containerName } from "../settings.js";
import { nodePorts } from "./layout.js";

const path = "/etc/prometheus/jobs/cluster.yml";

/**
 * Makes Prometheus ask the cluster's edge for targets, on one node alone: Prometheus keeps the last answer of an address
 * that fails, so a second node that is lost would leave its targets for ever.
 * @returns true when there was nothing to do
 */
export async function ensurePrometheusJob(context: Context, node: string): Promise<boolean> {
  const url = `http://${node}:${nodePorts.metrics}/targets`;
  const jobs = [{ job_name: "cluster", http_sd_configs: [{ url, refresh_interval: "5s" }] }];
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
