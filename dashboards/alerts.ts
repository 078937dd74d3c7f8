import { stringify } from "yaml";

import { agentAlerts, certificateAlerts, storageAlerts } from "./expiry-alerts";
import { SERVICE_JOB } from "./metrics";
import type { TimeLeft } from "./panels";
import { configurationAlerts, databaseAlerts, edgeAlerts, serviceAlerts } from "./service-alerts";

export interface AlertOptions {
  /** Environment whose series the rules watch: part of each rule's matchers and of the group's name, so one Prometheus can hold several. */
  readonly environment: string;
  /** Address of docs/runbook.md as people open it; each alert's section is appended as `#name`. */
  readonly runbookUrl: string;
  /** Address of the service's dashboard, an annotation of every alert. Default: none. */
  readonly dashboardUrl?: string;
  /** Share of 5xx answers that raises an alert, 0 to 1. Default 0.05. */
  readonly errorShare?: number;
  /** 99th percentile of storing events that raises an alert, in seconds. Default 0.5. */
  readonly latencySeconds?: number;
  /** Bytes that the database may take up; its alert comes days ahead. Default: not known, no alert. */
  readonly databaseLimit?: number;
  /** When the edge's certificate has to be looked after. Default: it has none, no alert. */
  readonly certificate?: TimeLeft;
}

export type Severity = "critical" | "warning";

/** One alert before it is written for Prometheus or for Grafana. */
export interface Alert {
  readonly name: string;
  readonly expr: string;
  /** How long the expression must hold, as Prometheus writes durations. */
  readonly for: string;
  /** critical: clients notice, or soon will. warning: look during the day. */
  readonly severity: Severity;
  readonly summary: string;
  readonly description: string;
}

/**
 * Alert rules as a Prometheus rules file. They are written for a scrape and evaluation interval of at most 15 s; a service that is
 * gone shows within 30 s at 10 s or less.
 *
 * @throws Error if a threshold is out of range
 */
export function alertRules(options: AlertOptions): string {
  const rules = alerts(options).map((alert) => ({
    alert: alert.name,
    expr: alert.expr,
    for: alert.for,
    labels: labels(alert, options),
    annotations: annotations(alert, options),
  }));
  return stringify({ groups: [{ name: groupName(options), rules }] }, { lineWidth: 0 });
}

/** Name of the group that holds the rules, in Prometheus and in Grafana. */
export function groupName({ environment }: Pick<AlertOptions, "environment">): string {
  return `audit-svc-${environment}`;
}

export function labels({ severity }: Alert, { environment }: AlertOptions): Record<string, string> {
  return { application: SERVICE_JOB, environment, severity };
}

export function annotations(
  { name, summary, description }: Alert,
  { runbookUrl, dashboardUrl }: AlertOptions,
): Record<string, string> {
  return {
    summary,
    description,
    runbook_url: `${runbookUrl}#${name.toLowerCase()}`,
    ...(dashboardUrl === undefined ? {} : { dashboard_url: dashboardUrl }),
  };
}

/** All alerts of one environment. @throws Error if a threshold is out of range */
export function alerts(options: AlertOptions): Alert[] {
  return [
    ...serviceAlerts(options),
    ...databaseAlerts(options),
    ...storageAlerts(options),
    ...configurationAlerts(options),
    ...edgeAlerts(options),
    ...agentAlerts(options),
    ...certificateAlerts(options),
  ];
}
