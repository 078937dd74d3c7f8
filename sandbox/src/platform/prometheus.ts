import { readFileSync } from "node:fs";
import { join } from "node:path";
import { addressOf, containerName, hostName, sandboxName } from "../settings.js";
import { until } from "../wait.js";
import type { Context } from "./context.js";

export const prometheusVolumes = {
  data: `${sandboxName}-prometheus-data`,
  targets: `${sandboxName}-prometheus-targets`,
  rules: `${sandboxName}-prometheus-rules`,
} as const;

/** Prometheus that reads targets and rules from two volumes. @returns true when there was nothing to do. */
export async function ensurePrometheus({ engine, settings }: Context, image: string): Promise<boolean> {
  const running = await engine.ensureContainer({
    name: containerName("prometheus"),
    image,
    hostname: hostName("prometheus"),
    address: addressOf(settings, "prometheus"),
    command: [
      "--config.file=/etc/prometheus/prometheus.yml",
      "--storage.tsdb.path=/prometheus",
      "--storage.tsdb.retention.time=7d",
      "--web.enable-lifecycle",
      // A deploy waits until new targets are up; by default Prometheus takes them in every 5 s only.
      "--scrape.discovery-reload-interval=1s",
      `--web.external-url=http://127.0.0.1:${settings.ports.prometheus}/`,
    ],
    files: [
      {
        path: "/etc/prometheus/prometheus.yml",
        content: readFileSync(join(settings.root, "sandbox/platform/prometheus.yml"), "utf8"),
      },
    ],
    volumes: {
      [prometheusVolumes.data]: "/prometheus",
      [prometheusVolumes.targets]: "/etc/prometheus/targets",
      [prometheusVolumes.rules]: "/etc/prometheus/rules",
    },
    ports: { 9090: settings.ports.prometheus },
  });
  if (!running) {
    await until("Prometheus", 60, async () => {
      const response = await fetch(`http://127.0.0.1:${settings.ports.prometheus}/-/ready`);
      return response.ok ? true : undefined;
    });
  }
  return running;
}
