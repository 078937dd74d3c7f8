/**
 * Run by the Observability component after it wrote the rules file: makes Prometheus reload its rules, which it does
 * not do by itself, and waits until it has them. Otherwise it reports what is missing. With `--forget`, run after the
 * file was removed: makes Prometheus reload its rules, and warns if it cannot.
 *
 * Environment: PROMETHEUS_URL; AUDIT_RULES, the file's text; AUDIT_RULES_PLACE, where it was written;
 * AUDIT_RULES_RELOADED, not empty if the argument alerts.reload was run; AUDIT_RULES_DEADLINE, seconds, default 30.
 */
import { isDeepStrictEqual } from "node:util";
import { parse } from "yaml";
import { argumentName } from "../lib/argument-names";
import { PrometheusApi, untilRight, type Rule, type RuleGroup } from "../lib/prometheus-api";
import { seconds } from "../lib/prometheus-targets";
import { whyNoAnswer } from "../lib/unknown-authority";

interface WantedRule {
  alert: string;
  expr: string;
  for: string;
  labels: Record<string, string>;
  annotations: Record<string, string>;
}

interface WantedGroup {
  name: string;
  rules: WantedRule[];
}

/** One line for each group that Prometheus does not have, or has with other rules. */
export function differences(wanted: readonly WantedGroup[], loaded: readonly RuleGroup[]): string[] {
  return wanted.flatMap(({ name, rules }) => {
    const found = loaded.find((group) => group.name === name);
    if (found === undefined) return [`Prometheus has no rule group ${name}`];
    const other = rules.filter((rule, index) => !same(rule, found.rules[index])).map(({ alert }) => alert);
    if (found.rules.length > rules.length) other.push(`${found.rules.length - rules.length} more than written`);
    return other.length === 0 ? [] : [`Prometheus has other rules in its group ${name}: ${other.join(", ")}`];
  });
}

/**
 * Normalizes what Prometheus formats differently when it prints an expression: spaces, line breaks, large numbers, the
 * order of label matchers.
 */
function bare(expr: string): string {
  const numbers = expr.replace(/\b\d+(\.\d+)?(e[+-]?\d+)?\b/g, (number) => String(Number(number)));
  return numbers.replace(/\s+/g, "").replace(/\{((?:[^"{}]|"(?:[^"\\]|\\.)*")*)\}/g, (_, matchers: string) => {
    const each = matchers.match(/\w+[=!~]+"(?:[^"\\]|\\.)*"/g) ?? [];
    return `{${each.sort().join(",")}}`;
  });
}

function same(wanted: WantedRule, found: Rule | undefined): boolean {
  return (
    found?.name === wanted.alert &&
    bare(found.query) === bare(wanted.expr) &&
    found.duration === seconds(wanted.for) &&
    isDeepStrictEqual({ ...found.labels }, { ...wanted.labels }) &&
    isDeepStrictEqual({ ...found.annotations }, { ...wanted.annotations })
  );
}

/** What prometheus.yml lacks if Prometheus does not have the rules, in one sentence. */
export function missingForRules(yaml: string, place: string, canReload: boolean): string {
  const { rule_files: files = [] } = (parse(yaml) ?? {}) as { rule_files?: string[] };
  if (files.length === 0)
    return `prometheus.yml has no rule_files: add the lines that \`audit init\` writes (docs/guide.md, step 3), and reload it.`;
  if (!canReload)
    return (
      "Prometheus reads rules only at its start and when it is reloaded: start it with --web.enable-lifecycle, or set " +
      `${argumentName("Observability: alerts.reload")} to what reloads it on ${argumentName("Observability: files")}, for example \`systemctl reload prometheus\`.`
    );
  return `Its rule_files read ${files.join(", ")}; the rules were written to ${argumentName("Observability: alerts.directory")} (${place}). Is one of them that place, as Prometheus sees it?`;
}

/** A removed file stays in force until the next reload. Never fails: Prometheus may be gone for good. */
async function forget(api: PrometheusApi): Promise<void> {
  const why = await api.reload().then(
    (done) => (done ? undefined : "its lifecycle API is off (--web.enable-lifecycle)"),
    (error: unknown) => whyNoAnswer(error),
  );
  if (why !== undefined) console.error(`Prometheus keeps the alert rules until it is reloaded: ${why}`);
}

/** The program. */
export async function main(): Promise<void> {
  const url = process.env.PROMETHEUS_URL ?? "";
  const api = new PrometheusApi(url);
  const setting = argumentName("Observability: prometheus.url");
  if (process.argv.includes("--forget")) return forget(api);
  const { groups } = parse(process.env.AUDIT_RULES ?? "") as { groups: WantedGroup[] };
  let canReload = (process.env.AUDIT_RULES_RELOADED ?? "") !== "";
  try {
    if (!canReload) canReload = await api.reload();
  } catch (error) {
    console.error(`The alert rules are not in force. ${setting} ${url}: ${whyNoAnswer(error)}`);
    process.exitCode = 1;
    return;
  }
  const wrong = await untilRight(Number(process.env.AUDIT_RULES_DEADLINE ?? "30"), async () => {
    try {
      return differences(groups, await api.ruleGroups());
    } catch (error) {
      return [`${setting} ${url} does not answer: ${whyNoAnswer(error)}`];
    }
  });
  if (wrong.length === 0) return;
  const hint = await api.config().then(
    (yaml) => [missingForRules(yaml, process.env.AUDIT_RULES_PLACE ?? "", canReload)],
    () => [],
  );
  console.error(["The alert rules are not in force:", ...wrong.map((line) => `  - ${line}`), ...hint].join("\n"));
  process.exitCode = 1;
}

if (require.main === module) void main();
