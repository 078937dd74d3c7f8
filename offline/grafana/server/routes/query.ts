import type { FastifyInstance } from "fastify";
import { type Context, isObject, number, route, text } from "../context.js";
import { ApiError, plain } from "../errors.js";
import type { Json } from "../model.js";
import { type PromQuery, runQuery, targetOf } from "../prometheus.js";

/** A moment as the API takes it: milliseconds as a number or text, `now`, or `now-6h`. */
function moment(value: unknown, now: number): number {
  if (typeof value === "number") return value;
  const written = typeof value === "string" ? value : "";
  if (/^\d+$/.test(written)) return Number(written);
  const relative = /^now(?:-(\d+)(s|m|h|d|w))?$/.exec(written);
  if (relative === null) throw plain(400, `bad request data: "${written}" is not a time`);
  const unit = { s: 1, m: 60, h: 3600, d: 86400, w: 604800 }[relative[2] ?? "s"] ?? 1;
  return now - Number(relative[1] ?? 0) * unit * 1000;
}

function formatOf(query: Json): PromQuery["format"] {
  const format = text(query, "format");
  return format === "table" || format === "heatmap" ? format : "time_series";
}

/** `POST /api/ds/query`: what panels ask. One result per refId; any failing query makes the whole answer a 400, as in Grafana. */
export function queryRoutes(app: FastifyInstance, context: Context): void {
  const { store } = context;

  const run = async (query: Json, range: { from: number; to: number }): Promise<Json> => {
    const wanted = isObject(query.datasource) ? query.datasource : {};
    const source = store.state.dataSources.find((candidate) =>
      text(wanted, "uid") === "" ? candidate.isDefault : candidate.uid === text(wanted, "uid"),
    );
    if (source === undefined) throw plain(404, "Data source not found");
    const intervalMs = number(query, "intervalMs") ?? 15_000;
    const isInstant = query.instant === true;
    const shared = {
      refId: text(query, "refId"),
      expr: text(query, "expr"),
      format: formatOf(query),
      legend: text(query, "legendFormat"),
      step: Math.max(intervalMs / 1000, (range.to - range.from) / 1000 / 11_000, 1),
      ...range,
    };
    const kinds = isInstant && query.range === true ? [true, false] : [isInstant];
    const frames = await Promise.all(kinds.map((instant) => runQuery(targetOf(source), { ...shared, instant })));
    return { status: 200, frames: frames.flat() };
  };

  route(app, context, "POST", "/api/ds/query", "Viewer", "datasources:query", async ({ body, reply }) => {
    const queries = Array.isArray(body.queries) ? body.queries.filter(isObject) : [];
    if (queries.length === 0)
      throw new ApiError(400, {
        message: "No queries found",
        messageId: "query.noQueries",
        statusCode: 400,
        traceID: "",
      });
    const now = Date.now();
    const range = { from: moment(body.from, now), to: moment(body.to, now) };
    const results: Record<string, Json> = {};
    await Promise.all(
      queries.map(async (query) => {
        const refId = text(query, "refId") || "A";
        try {
          results[refId] = await run(query, range);
        } catch (error) {
          if (!(error instanceof ApiError)) throw error;
          results[refId] = { error: error.message, errorSource: "downstream", status: error.status };
        }
      }),
    );
    const failed = Object.values(results).some((result) => "error" in result);
    return reply.code(failed ? 400 : 200).send({ results });
  });
}
