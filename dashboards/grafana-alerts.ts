import { createHash } from "node:crypto";

import { canonicalJson } from "../lib/canonical-json";
import { alerts, annotations, labels } from "./alerts";
import type { Alert, AlertOptions } from "./alert";

/** One rule as the Grafana provider takes it (`RuleGroupRule`). */
export interface GrafanaRule {
  readonly uid: string;
  readonly name: string;
  readonly condition: string;
  readonly for: string;
  readonly noDataState: string;
  readonly execErrState: string;
  readonly labels: Record<string, string>;
  readonly annotations: Record<string, string>;
  readonly datas: {
    readonly refId: string;
    readonly datasourceUid: string;
    readonly queryType: string;
    readonly relativeTimeRange: { readonly from: number; readonly to: number };
    readonly model: string;
  }[];
}

/** Seconds between two evaluations of the group: the least that Grafana does. */
export const GRAFANA_INTERVAL = 10;

/** How Grafana names the data source of an expression. */
const EXPRESSION = "__expr__";

/**
 * The alert rules for Grafana's own alerting. The expressions are those of the rules file, and mean the same: a rule of Prometheus fires
 * for each series that its expression gives, whatever the value (`sum(up) == 0` gives a 0), so the condition is that there is one.
 *
 * @param datasource uid of the Prometheus data source
 */
export function grafanaRules(options: AlertOptions, datasource: string): GrafanaRule[] {
  return alerts(options).map((alert) => ({
    uid: uidOf(options.environment, alert.name),
    name: alert.name,
    condition: "B",
    for: alert.for,
    // An expression that gives nothing is one that is not met.
    noDataState: "OK",
    execErrState: "Error",
    labels: labels(alert, options),
    annotations: templates(annotations(alert, options)),
    datas: [query(alert, datasource), thereIsOne()],
  }));
}

/** Fixed, so that a rule stays the same one for silences and history; of its own for each environment; 40 characters at most. */
function uidOf(environment: string, name: string): string {
  return `audit-${createHash("sha256").update(`${environment} ${name}`).digest("hex").slice(0, 24)}`;
}

function query({ expr }: Alert, datasource: string): GrafanaRule["datas"][number] {
  return {
    refId: "A",
    datasourceUid: datasource,
    queryType: "",
    // The expression looks back by itself; an instant query is asked at the end of the range.
    relativeTimeRange: { from: 600, to: 0 },
    model: canonicalJson({
      refId: "A",
      datasource: { type: "prometheus", uid: datasource },
      editorMode: "code",
      expr,
      instant: true,
      range: false,
    }),
  };
}

/** 1 for each series of the query, whatever its value. */
function thereIsOne(): GrafanaRule["datas"][number] {
  return {
    refId: "B",
    datasourceUid: EXPRESSION,
    queryType: "",
    relativeTimeRange: { from: 0, to: 0 },
    model: canonicalJson({
      refId: "B",
      datasource: { type: EXPRESSION, uid: EXPRESSION },
      type: "math",
      expression: "is_number($A) || is_nan($A) || is_inf($A)",
    }),
  };
}

/** Where Prometheus has the value in `$value`, Grafana has a text about all the rule's values there. */
function templates(texts: Record<string, string>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(texts).map(([key, text]) => [key, text.replace(/\$value\b/g, "$values.A.Value")]),
  );
}
