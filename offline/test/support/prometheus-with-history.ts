import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { platformImage, ScratchContainer } from "./scratch-container.js";

/** One series of the invented past. `at` is told the minutes since its beginning; a counter's answers must never fall. */
export interface History {
  readonly name: string;
  readonly type: "counter" | "gauge" | "histogram";
  readonly labels: Readonly<Record<string, string>>;
  readonly at: (minutes: number) => number | undefined;
}

const STEP_S = 15;

/** A real Prometheus that remembers what nobody ever measured: for tests of what is made of its answers. */
export class PrometheusWithHistory {
  private constructor(
    private readonly container: ScratchContainer,
    private readonly directory: string,
  ) {}

  /**
   * Starts it with `past` minutes of history before now, and some minutes after it, so that the last values stay fresh for as long as a test runs.
   */
  static async start(series: readonly History[], past = 60, future = 20): Promise<PrometheusWithHistory> {
    const directory = mkdtempSync(join(tmpdir(), "prometheus-history-"));
    // Prometheus does not run as whoever runs the test.
    chmodSync(directory, 0o755);
    writeFileSync(join(directory, "history.om"), openMetrics(series, past, future), { mode: 0o644 });
    writeFileSync(join(directory, "prometheus.yml"), "scrape_configs: []\n", { mode: 0o644 });
    const command = [
      "promtool tsdb create-blocks-from openmetrics /in/history.om /tmp/data >/tmp/blocks.log 2>&1",
      "exec prometheus --config.file=/in/prometheus.yml --storage.tsdb.path=/tmp/data --storage.tsdb.retention.time=30d",
    ];
    const container = await ScratchContainer.start(await platformImage("prometheus"), {
      ports: [9090],
      args: ["--entrypoint", "sh", "-v", `${directory}:/in:ro`],
      command: ["-c", command.join(" && ")],
    });
    const server = new PrometheusWithHistory(container, directory);
    await container.until("Prometheus was not ready", async () => {
      const response = await fetch(`${server.url}/-/ready`, { signal: AbortSignal.timeout(2000) });
      if (!response.ok) throw new Error(`HTTP ${response.status}`);
    });
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${this.container.port(9090)}`;
  }

  async stop(): Promise<void> {
    await this.container.remove();
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** The text that promtool reads: all samples of a metric together, in the order of time within each series. */
function openMetrics(series: readonly History[], past: number, future: number): string {
  const now = Math.floor(Date.now() / 1000 / STEP_S) * STEP_S;
  const lines: string[] = [];
  const families = [...new Set(series.map(family))];
  for (const name of families) {
    const members = series.filter((each) => family(each) === name);
    lines.push(`# TYPE ${name} ${members[0]?.type ?? "gauge"}`);
    for (const { name: metric, labels, at } of members) {
      const pairs = Object.entries(labels).map(([key, value]) => `${key}="${value}"`);
      for (let time = now - past * 60; time <= now + future * 60; time += STEP_S) {
        const value = at((time - now) / 60 + past);
        if (value !== undefined) lines.push(`${metric}{${pairs.join(",")}} ${value} ${time}`);
      }
    }
  }
  return `${lines.join("\n")}\n# EOF\n`;
}

function family({ name, type }: History): string {
  return type === "counter"
    ? name.replace(/_total$/, "")
    : type === "histogram"
      ? name.replace(/_(bucket|sum|count)$/, "")
      : name;
}
