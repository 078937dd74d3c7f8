/** One query of a dashboard, as it is written there. */
export interface DashboardQuery {
  /** Title of the panel, or name of the annotation or variable. */
  readonly place: string;
  readonly kind: "panel" | "annotation" | "variable";
  /** `A`, `B`, … within a panel; empty elsewhere. */
  readonly refId: string;
  /** PromQL with Grafana's variables; for a variable, the series within label_values(). */
  readonly expr: string;
  readonly legend: string;
}

interface Target {
  refId?: string;
  expr?: string;
  legendFormat?: string;
}

interface Dashboard {
  panels?: { title?: string; targets?: Target[]; panels?: Dashboard["panels"] }[];
  annotations?: { list?: { name: string; expr?: string }[] };
  templating?: { list?: { name: string; type: string; query?: unknown }[] };
}

/**
 * Every query that a dashboard sends: of panels (collapsed rows included), annotations and variables.
 *
 * @param json the dashboard, as serviceDashboard() and nginxDashboard() give it
 */
export function dashboardQueries(json: string): DashboardQuery[] {
  const { panels = [], annotations, templating } = JSON.parse(json) as Dashboard;
  const queries = ofPanels(panels);
  for (const { name, expr } of annotations?.list ?? []) {
    if (expr !== undefined) queries.push({ place: name, kind: "annotation", refId: "", expr, legend: "" });
  }
  for (const { name, type, query } of templating?.list ?? []) {
    if (type !== "query") continue;
    const series = typeof query === "string" ? /^label_values\((.*),\s*\w+\)$/.exec(query)?.[1] : undefined;
    if (series === undefined) throw new Error(`The variable ${name} does not ask for label_values(series, label).`);
    queries.push({ place: name, kind: "variable", refId: "", expr: series, legend: "" });
  }
  return queries;
}

function ofPanels(panels: NonNullable<Dashboard["panels"]>): DashboardQuery[] {
  return panels.flatMap(({ title = "", targets = [], panels: inner = [] }) => [
    ...targets.map(({ refId = "", expr = "", legendFormat = "" }) => ({
      place: title,
      kind: "panel" as const,
      refId,
      expr,
      legend: legendFormat,
    })),
    ...ofPanels(inner),
  ]);
}

/**
 * A query as Grafana would send it, with every variable set to "All".
 *
 * @param interval what `$__rate_interval` stands for, at least four scrape intervals. Default `1m`
 * @param values other values of variables by name. Default `.*` for each
 */
export function withVariables(expr: string, interval = "1m", values: Readonly<Record<string, string>> = {}): string {
  return expr
    .replaceAll("$__rate_interval", interval)
    .replace(/\$(?:\{(\w+)\}|(\w+))/g, (_, braced: string | undefined, bare: string | undefined) => {
      return values[braced ?? bare ?? ""] ?? ".*";
    });
}
