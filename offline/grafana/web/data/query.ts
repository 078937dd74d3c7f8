import { AnswerError, ask } from "../api.js";
import type { Panel, Target } from "../model.js";
import { configure } from "./fields.js";
import { type Frame, readFrames } from "./frames.js";
import { type Chosen, constant, interpolate, type Values } from "./interpolate.js";
import { findSource, type Source } from "./sources.js";
import { durationText, intervals, moment, type Range, seconds } from "./time.js";
import { transform } from "./transform.js";

/** What a panel draws. */
export interface PanelData {
  readonly frames: readonly Frame[];
  /** What went wrong, by query; shown instead of or beside the data. */
  readonly errors: readonly string[];
  /** What the preview left out, such as transformations it does not know. */
  readonly notes: readonly string[];
  readonly range: Range;
}

export interface Asking {
  readonly sources: readonly Source[];
  readonly values: Values;
  readonly range: Range;
  /** How many points fit: about the panel's width in pixels. */
  readonly points: number;
  readonly signal?: AbortSignal;
}

interface Result {
  readonly error?: string;
  readonly frames?: Parameters<typeof readFrames>[0];
}

/** `$__interval` and its like for one query. */
export function builtIns(range: Range, interval: number, rateInterval: number): Record<string, Chosen> {
  const length = (range.to - range.from) / 1000;
  return {
    __interval: constant(durationText(interval)),
    __interval_ms: constant(String(Math.round(interval * 1000))),
    __rate_interval: constant(durationText(rateInterval)),
    __rate_interval_ms: constant(String(Math.round(rateInterval * 1000))),
    __range: constant(`${Math.round(length)}s`),
    __range_s: constant(String(Math.round(length))),
    __range_ms: constant(String(Math.round(length * 1000))),
    __from: constant(String(range.from)),
    __to: constant(String(range.to)),
  };
}

function request(target: Target, panel: Panel, asking: Asking, range: Range, refId: string) {
  const ref = target.datasource ?? panel.datasource;
  const source = findSource(asking.sources, ref, asking.values);
  const least = seconds(interpolate(target.interval ?? panel.interval ?? "", asking.values, "raw"));
  const { interval, rateInterval } = intervals(range, panel.maxDataPoints ?? asking.points, source.scrape, least);
  const values = { ...asking.values, ...builtIns(range, interval, rateInterval) };
  return {
    refId,
    datasource: { uid: source.uid },
    expr: interpolate(target.expr ?? "", values),
    legendFormat: interpolate(target.legendFormat ?? "", asking.values, "text"),
    format: target.format ?? "time_series",
    instant: target.instant === true,
    range: target.range ?? target.instant !== true,
    intervalMs: interval * 1000,
  };
}

/** Runs all queries of a panel and makes of the answers what it draws. Only an aborted request throws. */
export async function runPanel(panel: Panel, asking: Asking): Promise<PanelData> {
  const back =
    panel.timeFrom === undefined || panel.timeFrom === null
      ? undefined
      : moment(`now-${panel.timeFrom}`, asking.range.to);
  const range = back === undefined ? asking.range : { from: back, to: asking.range.to };
  const errors: string[] = [];
  const queries = (panel.targets ?? [])
    .filter((target) => target.hide !== true && (target.expr ?? "").trim() !== "")
    .flatMap((target, index) => {
      try {
        return [request(target, panel, asking, range, target.refId ?? String.fromCharCode(65 + index))];
      } catch (error) {
        errors.push((error as Error).message);
        return [];
      }
    });
  let results: Record<string, Result> = {};
  if (queries.length > 0) {
    const body = { from: String(range.from), to: String(range.to), queries };
    try {
      ({ results } = await ask<{ results: Record<string, Result> }>("POST", "/api/ds/query", body, asking.signal));
    } catch (error) {
      if (!(error instanceof AnswerError)) throw error;
      const inside = (error.body as { results?: Record<string, Result> }).results;
      if (inside === undefined) errors.push(error.message);
      else results = inside;
    }
  }
  for (const [refId, { error }] of Object.entries(results)) {
    if (error !== undefined) errors.push(queries.length > 1 ? `Query ${refId}: ${error}` : error);
  }
  // In the order of the queries, not of the answers.
  const raw = queries.flatMap(({ refId }) => readFrames(results[refId]?.frames ?? []));
  const { frames, missing } = transform(configure(raw, panel), panel.transformations ?? []);
  const notes = missing.map((id) => `The preview does not apply the transformation "${id}".`);
  // Once more: overrides may name what transformations made.
  return { frames: configure(frames, panel), errors: [...new Set(errors)], notes, range };
}
