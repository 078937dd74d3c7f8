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

/** Seconds between two evaluations of the group: the minimum in Grafana. */
export const GRAFANA_INTERVAL = 10;

/** Grafana's name for the data source of an expression. */
const EXPRESSION = "__expr__";

/**
 * The alert rules for Grafana's own alerting. The expressions are those of the rules file and mean the same: a
 * Prometheus rule fires for each series that its expression returns, whatever the value (`sum(up) == 0` returns a 0),
 * so the condition here is that a series exists.
 *
 * @param datasource uid of the Prometheus data source
 */
export function grafanaRules(options: AlertOptions, datasource: string): GrafanaRule[] {
  return alerts(options).map((alert) => ({
    uid: uidOf(options.environment, alert.name),
    name: alert.name,
    condition: "B",
    for: alert.for,
    // An expression without a result is a condition that is not met.
    noDataState: "OK",
    execErrState: "Error",
    labels: labels(alert, options),
    annotations: templates(annotations(alert, options)),
    datas: [query(alert, datasource), thereIsOne()],
  }));
}

/** Stable, so that silences and history stay with the rule; different for each environment; at most 40 characters. */
function uidOf(environment: string, name: string): string {
  return `audit-${createHash("sha256").update(`${environment} ${name}`).digest("hex").slice(0, 24)}`;
}

function query({ expr }: Alert, datasource: string): GrafanaRule["datas"][number] {
  return {
    refId: "A",
    datasourceUid: datasource,
    queryType: "",
    // The expression has its own range; an instant query is evaluated at the end of this one.
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

/** In Prometheus `$value` is the value; in Grafana it is a text about all of the rule's values. */
function templates(texts: Record<string, string>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(texts).map(([key, text]) => [key, text.replace(/\$value\b/g, "$values.A.Value")]),
  );
}
