/**
 * Run by the Observability component after it wrote the scrape targets: waits until Prometheus has each of them and
 * reports it up, and otherwise says which is missing or down, and why.
 *
 * Environment: PROMETHEUS_URL; AUDIT_TARGETS, the file_sd JSON; AUDIT_TARGETS_DEADLINE, seconds, default 90.
 */

interface TargetGroup {
  targets: string[];
  labels: Record<string, string>;
}

interface ActiveTarget {
  labels: Record<string, string>;
  scrapeUrl: string;
  health: string;
  lastError: string;
}

async function activeTargets(prometheus: string): Promise<ActiveTarget[]> {
  const response = await fetch(`${prometheus}/api/v1/targets?state=active`, { signal: AbortSignal.timeout(10_000) });
  if (!response.ok) throw new Error(`Prometheus answered ${response.status}`);
  const body = (await response.json()) as { data: { activeTargets: ActiveTarget[] } };
  return body.data.activeTargets;
}

/** One line for each wanted target that is not up. */
export function problems(wanted: readonly TargetGroup[], active: readonly ActiveTarget[]): string[] {
  return wanted.flatMap((group) => {
    const { instance = "", job = "", release } = group.labels;
    const found = active.find((target) => target.labels.instance === instance && target.labels.job === job);
    if (found === undefined)
      return [
        `${job} ${instance}: Prometheus does not know it; does its configuration read the directory by file_sd_configs?`,
      ];
    if (found.labels.release !== release)
      return [`${job} ${instance}: Prometheus still has it as release ${found.labels.release}`];
    if (found.health !== "up")
      return [`${job} ${instance}: ${found.health}; ${found.scrapeUrl}: ${found.lastError || "not scraped yet"}`];
    return [];
  });
}

async function main(): Promise<void> {
  const prometheus = process.env.PROMETHEUS_URL ?? "";
  const wanted = JSON.parse(process.env.AUDIT_TARGETS ?? "[]") as TargetGroup[];
  const end = Date.now() + Number(process.env.AUDIT_TARGETS_DEADLINE ?? "90") * 1000;
  for (;;) {
    let left: string[];
    try {
      left = problems(wanted, await activeTargets(prometheus));
    } catch (error) {
      left = [
        `audit:prometheusUrl ${prometheus} does not answer: ${error instanceof Error ? error.message : String(error)}`,
      ];
    }
    if (left.length === 0) return;
    if (Date.now() >= end) {
      console.error(
        `${left.length} of ${wanted.length} scrape targets are not up:\n${left.map((line) => `  - ${line}`).join("\n")}`,
      );
      process.exitCode = 1;
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
}

if (require.main === module) void main();
