import type { DataSource, Json } from "./model.js";
import { plain } from "./errors.js";

/** Where a data source's requests go, and with what headers. */
export interface Target {
  readonly base: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly name: string;
}

export interface Answer {
  readonly status: number;
  readonly type: string;
  readonly text: string;
}

const TIMEOUT_MS = 30_000;

/** The address and the credentials of a Prometheus data source; 400 for one that is not, 502 for one without a usable URL. */
export function targetOf(source: DataSource): Target {
  if (source.type !== "prometheus") {
    throw plain(400, `The preview can only query Prometheus; "${source.name}" is of type ${source.type}.`);
  }
  const written = source.url.includes("://") ? source.url : `http://${source.url}`;
  if (!URL.canParse(written)) throw plain(502, `Data source "${source.name}" has no usable URL.`);
  const headers: Record<string, string> = { accept: "application/json" };
  for (const [key, value] of Object.entries(source.jsonData)) {
    const index = /^httpHeaderName(\d+)$/.exec(key)?.[1];
    const secret = source.secureJsonData[`httpHeaderValue${index ?? ""}`];
    if (index !== undefined && typeof value === "string" && secret !== undefined) headers[value.toLowerCase()] = secret;
  }
  if (source.basicAuth) {
    const password = source.secureJsonData.basicAuthPassword ?? "";
    headers.authorization = `Basic ${Buffer.from(`${source.basicAuthUser}:${password}`).toString("base64")}`;
  }
  return { base: new URL(written), headers, name: source.name };
}

/** Sends one request to the source; a source that does not answer is 502, as Grafana's proxy says it. */
export async function askSource(target: Target, method: string, path: string, form?: string): Promise<Answer> {
  if (/(^|\/)\.\.(\/|$)/.test(decodeURIComponent(path.split("?")[0] ?? ""))) throw plain(400, "bad request data");
  const url = `${target.base.href.replace(/\/+$/, "")}${path}`;
  try {
    const response = await fetch(url, {
      method,
      headers:
        form === undefined
          ? target.headers
          : { ...target.headers, "content-type": "application/x-www-form-urlencoded" },
      ...(form === undefined ? {} : { body: form }),
      signal: AbortSignal.timeout(TIMEOUT_MS),
      redirect: "manual",
    });
    const type = response.headers.get("content-type") ?? "application/json";
    return { status: response.status, type, text: await response.text() };
  } catch (error) {
    const cause = (error as Error & { cause?: { code?: string; message?: string } }).cause;
    const reason = cause?.code ?? cause?.message ?? (error as Error).message;
    throw plain(502, `Data source "${target.name}" does not answer: ${reason}`);
  }
}

/** One query of a panel, after its variables have been filled in. Times in milliseconds, the step in seconds. */
export interface PromQuery {
  readonly refId: string;
  readonly expr: string;
  readonly instant: boolean;
  readonly format: "time_series" | "table" | "heatmap";
  readonly legend: string;
  readonly from: number;
  readonly to: number;
  readonly step: number;
}

interface Series {
  readonly metric: Readonly<Record<string, string>>;
  readonly value?: readonly [number, string];
  readonly values?: readonly (readonly [number, string])[];
}

/** The name of a series: the legend with its `{{label}}`s filled in, else the metric as Prometheus writes it. */
export function legendOf(metric: Readonly<Record<string, string>>, legend: string, expr: string): string {
  if (legend !== "" && legend !== "__auto") {
    return legend.replace(/\{\{\s*(.+?)\s*\}\}/g, (_, label: string) => metric[label] ?? "");
  }
  const { __name__: name = "", ...labels } = metric;
  const pairs = Object.entries(labels).map(([key, value]) => `${key}="${value}"`);
  if (legend === "__auto" && pairs.length === 1 && name === "") return Object.values(labels)[0] ?? "";
  return name === "" && pairs.length === 0 ? expr : `${name}${pairs.length === 0 ? "" : `{${pairs.join(", ")}}`}`;
}

/** JSON cannot say NaN or infinity; a gap is what a chart makes of them. */
function parse(value: string): number | null {
  const parsed = Number(value);
  return Number.isFinite(parsed) ? parsed : null;
}

/**
 * Runs one query and answers data frames: for time series one frame each, with the points laid on the step's grid and null
 * where Prometheus has none; for instant tables one frame with a column per label.
 */
export async function runQuery(target: Target, query: PromQuery): Promise<Json[]> {
  const { step } = query;
  const start = Math.floor(query.from / 1000 / step) * step;
  const end = Math.floor(query.to / 1000 / step) * step;
  const form = new URLSearchParams(
    query.instant
      ? { query: query.expr, time: String(query.to / 1000) }
      : { query: query.expr, start: String(start), end: String(end), step: String(step) },
  );
  const path = query.instant ? "/api/v1/query" : "/api/v1/query_range";
  const answer = await askSource(target, "POST", path, form.toString());
  let body: {
    status?: string;
    error?: string;
    errorType?: string;
    data?: { result: Series[] | [number, string]; resultType: string };
  };
  try {
    body = JSON.parse(answer.text) as typeof body;
  } catch {
    throw plain(
      answer.status === 200 ? 502 : answer.status,
      `Prometheus answered HTTP ${answer.status}: ${answer.text.slice(0, 200)}`,
    );
  }
  if (body.status !== "success" || body.data === undefined) {
    throw plain(400, `${body.errorType ?? "error"}: ${body.error ?? `HTTP ${answer.status}`}`);
  }
  const isNumber = body.data.resultType === "scalar" || body.data.resultType === "string";
  const found: Series[] = isNumber
    ? [{ metric: {}, value: body.data.result as [number, string] }]
    : (body.data.result as Series[]);
  const executed = `Expr: ${query.expr}\nStep: ${step}s`;
  if (query.format === "table") return [tableFrame(query, found, executed)];
  return found.map((series) => seriesFrame(query, series, executed, { start, end, step }));
}

function seriesFrame(
  query: PromQuery,
  series: Series,
  executed: string,
  grid: { start: number; end: number; step: number },
): Json {
  const name = legendOf(series.metric, query.legend, query.expr);
  const times: number[] = [];
  const values: (number | null)[] = [];
  if (series.value !== undefined) {
    times.push(Math.round(series.value[0] * 1000));
    values.push(parse(series.value[1]));
  } else {
    const known = new Map((series.values ?? []).map(([time, value]) => [Math.round(time * 1000), parse(value)]));
    for (let time = grid.start; time <= grid.end + 1e-6; time += grid.step) {
      const key = Math.round(time * 1000);
      times.push(key);
      values.push(known.get(key) ?? null);
    }
  }
  const { __name__: metricName = "Value", ...labels } = series.metric;
  return {
    schema: {
      refId: query.refId,
      name,
      meta: { type: "timeseries-multi", typeVersion: [0, 1], executedQueryString: executed },
      fields: [
        { name: "Time", type: "time", typeInfo: { frame: "time.Time" }, config: { interval: grid.step * 1000 } },
        {
          name: metricName === "" ? "Value" : metricName,
          type: "number",
          typeInfo: { frame: "float64", nullable: true },
          labels: series.metric.__name__ === undefined ? labels : series.metric,
          config: { displayNameFromDS: name },
        },
      ],
    },
    data: { values: [times, values] },
  };
}

function tableFrame(query: PromQuery, found: readonly Series[], executed: string): Json {
  const labels = [...new Set(found.flatMap(({ metric }) => Object.keys(metric)))].sort();
  const rows = found.flatMap(({ metric, value, values }) =>
    (value === undefined ? (values ?? []) : [value]).map(([time, number]) => ({
      metric,
      time: Math.round(time * 1000),
      number: parse(number),
    })),
  );
  return {
    schema: {
      refId: query.refId,
      meta: { type: "table", executedQueryString: executed },
      fields: [
        { name: "Time", type: "time", config: {} },
        ...labels.map((name) => ({ name, type: "string", config: { filterable: true } })),
        { name: "Value", type: "number", config: {} },
      ],
    },
    data: {
      values: [
        rows.map(({ time }) => time),
        ...labels.map((name) => rows.map(({ metric }) => metric[name] ?? "")),
        rows.map(({ number }) => number),
      ],
    },
  };
}
