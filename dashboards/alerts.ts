import { stringify } from "yaml";

import type { Alert, AlertOptions } from "./alert";
import { agentAlerts, certificateAlerts, podAgentAlerts, storageAlerts } from "./expiry-alerts";
import { logAlerts } from "./log";
import { SERVICE_JOB } from "./metrics";
import { configurationAlerts, databaseAlerts, edgeAlerts, serviceAlerts } from "./service-alerts";

/**
 * Alert rules as a Prometheus rules file. They assume a scrape and evaluation interval of at most 15 s; with 10 s or
 * less, an outage shows within 30 s.
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
    ...logAlerts(options),
    ...configurationAlerts(options),
    ...edgeAlerts(options),
    ...(options.inPods ? podAgentAlerts(options) : agentAlerts(options)),
    ...certificateAlerts(options),
  ];
}
