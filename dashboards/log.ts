import * as units from "@grafana/grafana-foundation-sdk/units";

import type { Alert, AlertOptions } from "./alert";
import { SERVICE_JOB } from "./metrics";
import { lines, thresholds, tiles } from "./panels";
import { equals, select } from "./promql";
import { type Panel, SCOPE } from "./service-panels";

/** Seconds for which a stored event may wait for its place in the log and a signature. */
const BEHIND = 60;
/** Seconds after which entries that nobody has signed are more than a hiccup of Vault. */
const UNSIGNED = 15 * 60;
/** Seconds between two witnesses: a daily schedule that failed twice. */
const UNWITNESSED = 3 * 86_400;

/** Alerts about the log that proves itself: whether events get into it, and whether somebody outside looks. */
export function logAlerts({ environment, log = false }: AlertOptions): Alert[] {
  if (!log) return [];
  const newest = (series: string, modifier = "") =>
    `max by (environment) (${select(`audit_log_${series}`, equals("job", SERVICE_JOB), equals("environment", environment))}${modifier})`;
  return [
    {
      name: "AuditLogBehind",
      expr: `${newest("lag_seconds")} > ${BEHIND}`,
      for: "2m",
      severity: "warning",
      summary: "Events wait for {{ $value | humanizeDuration }} to be covered by the log in {{ $labels.environment }}",
      description:
        "They are stored, but until a checkpoint covers them nobody could prove that one was changed or removed. Usually it takes seconds.",
    },
    {
      name: "AuditLogUnsigned",
      expr: [
        `time() - ${newest("checkpoint_timestamp_seconds")} > ${UNSIGNED}`,
        `  and ${newest("size")} > ${newest("checkpoint_size")}`,
        // Before the first checkpoint there is nothing to say when it was made. In minutes, as Prometheus gives it back:
        // a deploy compares the text.
        `  or (${newest("lag_seconds")} > ${UNSIGNED} and ${newest("size", ` offset ${UNSIGNED / 60}m`)} > 0 unless ${newest("checkpoint_size")})`,
      ].join("\n"),
      for: "1m",
      severity: "critical",
      summary: "No checkpoint of the log was signed for {{ $value | humanizeDuration }} in {{ $labels.environment }}",
      description:
        "Events have a place in the log, and nobody signs it: Vault, the agent, or the key is away. Events are still taken in.",
    },
    {
      name: "AuditLogUnwitnessed",
      // 0: nobody has ever been a witness, so nobody is expected to be.
      expr: `time() - (${newest("witnessed_timestamp_seconds")} > 0) > ${UNWITNESSED}`,
      for: "15m",
      severity: "warning",
      summary: "Nobody has witnessed the log for {{ $value | humanizeDuration }} in {{ $labels.environment }}",
      description:
        "The scheduled job witness does not run, or it is red. Whoever owns the database could rewrite what came in since.",
    },
  ];
}

/** The log's row: how large it is, how far behind, and when it was last signed and witnessed. */
export function logPanels(): Panel[] {
  const newest = (series: string) => `max by (environment) (${select(`audit_log_${series}`, ...SCOPE)})`;
  const age = (series: string) => `time() - (${newest(series)} > 0)`;
  const size = lines({
    title: "Log size",
    description:
      "Events that have their place in the log, and how many of them the newest checkpoint and the last witness cover.",
    unit: units.Short,
    width: 8,
    height: 6,
    queries: [
      { expr: newest("size"), legend: "{{environment}}" },
      { expr: newest("checkpoint_size"), legend: "{{environment}}, signed" },
      { expr: `${newest("witnessed_size")} > 0`, legend: "{{environment}}, witnessed" },
    ],
  }).decimals(0);
  const lag = lines({
    title: "Log lag",
    description:
      "Age of the oldest stored event that no checkpoint covers yet. Until one does, nobody could prove a change of it.",
    unit: units.Seconds,
    width: 8,
    height: 6,
    queries: [{ expr: newest("lag_seconds"), legend: "{{environment}}" }],
  });
  const checkpoint = tiles({
    title: "Last checkpoint",
    description: "Age of the newest checkpoint. It grows while no events come in, which is as it should be.",
    unit: units.Seconds,
    width: 4,
    height: 6,
    queries: [{ expr: age("checkpoint_timestamp_seconds"), legend: "{{environment}}" }],
  }).noValue("none yet");
  const witness = tiles({
    title: "Last witness",
    description: "For how long nobody has reported to have seen a checkpoint, as the scheduled job witness does.",
    unit: units.Seconds,
    width: 4,
    height: 6,
    queries: [{ expr: age("witnessed_timestamp_seconds"), legend: "{{environment}}" }],
  })
    .thresholds(thresholds([UNWITNESSED, "orange"]))
    .noValue("never");
  return [size, lag, checkpoint, witness];
}
