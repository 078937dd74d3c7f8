/**
 * Run by the Observability component after it wrote the scrape targets: waits until Prometheus has each of them, has
 * scraped it recently and reports it up, and has dropped those of replicas that no longer serve. Otherwise it reports
 * which target is wrong and what is missing in prometheus.yml.
 *
 * Environment: PROMETHEUS_URL; AUDIT_TARGETS, the list as written, or AUDIT_PODS where the edge keeps a list of its own:
 * the environment's name, the release and how many pods of it there are at the least, as JSON; AUDIT_TARGETS_PLACE,
 * where the list was written, or the address at which it is served, or `podMonitor`; AUDIT_TARGETS_DEADLINE, seconds, default 90.
 */
import { argumentName } from "../lib/argument-names";
import { PrometheusApi } from "../lib/prometheus-api";
import { missingInConfig } from "../lib/prometheus-config";
import { problems, problemsOfPods, untilTargetsAreRight, type TargetGroup } from "../lib/prometheus-targets";

async function main(): Promise<void> {
  const api = new PrometheusApi(process.env.PROMETHEUS_URL ?? "");
  const wanted = JSON.parse(process.env.AUDIT_TARGETS ?? "[]") as TargetGroup[];
  const pods = process.env.AUDIT_PODS && (JSON.parse(process.env.AUDIT_PODS) as Parameters<typeof problemsOfPods>[0]);
  const deadline = Number(process.env.AUDIT_TARGETS_DEADLINE ?? "90");
  const wrong = await untilTargetsAreRight(
    api,
    argumentName("Observability: prometheus.url"),
    deadline,
    (active, now) => (pods ? problemsOfPods(pods, active, now) : problems(wanted, active, now)),
  );
  if (wrong.length === 0) return;
  const unknown = wrong.some((line) => line.endsWith("does not know it") || line.startsWith("no "));
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
