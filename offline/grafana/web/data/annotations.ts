import { ask } from "../api.js";
import type { AnnotationQuery } from "../model.js";
import { cssColor } from "../palette.js";
import { readFrames, numberFields, timeField } from "./frames.js";
import { interpolate, type Values } from "./interpolate.js";
import { builtIns } from "./query.js";
import { findSource, type Source } from "./sources.js";
import { type Range, seconds } from "./time.js";

/** A mark on all charts. Milliseconds since 1970; `end` equals `time` for a moment. */
export interface Mark {
  readonly time: number;
  readonly end: number;
  readonly title: string;
  readonly text: string;
  readonly tags: readonly string[];
  readonly color: string;
}

function labelled(pattern: string, labels: Readonly<Record<string, string>>): string {
  return pattern.replace(/\{\{\s*(.+?)\s*\}\}/g, (_, name: string) => labels[name] ?? "");
}

async function fromPrometheus(
  query: AnnotationQuery,
  sources: readonly Source[],
  values: Values,
  range: Range,
): Promise<Mark[]> {
  const source = findSource(sources, query.datasource, values);
  const step = seconds(query.step) ?? 60;
  const expr = interpolate(query.expr ?? query.target?.expr ?? "", { ...values, ...builtIns(range, step, step * 4) });
  const queries = [{ refId: "A", datasource: { uid: source.uid }, expr, range: true, intervalMs: step * 1000 }];
  const { results } = await ask<{ results: { A: { frames: Parameters<typeof readFrames>[0] } } }>(
    "POST",
    "/api/ds/query",
    {
      from: String(range.from),
      to: String(range.to),
      queries,
    },
  );
  const color = cssColor(query.iconColor ?? "blue");
  const marks = new Map<string, Mark>();
  for (const frame of readFrames(results.A.frames)) {
    const times = timeField(frame)?.values ?? [];
    for (const field of numberFields(frame)) {
      const title = labelled(query.titleFormat ?? query.name ?? "", field.labels);
      const text = labelled(query.textFormat ?? "", field.labels);
      const tags = (query.tagKeys ?? "").split(",").flatMap((key) => field.labels[key.trim()] ?? []);
      const byValue = query.useValueForTime === true || query.useValueForTime === "on";
      field.values.forEach((value, row) => {
        const moment = byValue ? value : times[row];
        if (typeof value !== "number" || typeof moment !== "number" || (!byValue && value === 0)) return;
        if (moment < range.from || moment > range.to) return;
        // Points that follow each other are one event that lasts.
        const open = byValue
          ? undefined
          : [...marks.values()].find((mark) => mark.title === title && moment - mark.end <= step * 1000 + 1);
        const key = open === undefined ? `${moment} ${title}` : `${open.time} ${title}`;
        marks.set(key, { time: open?.time ?? moment, end: moment, title, text, tags, color });
      });
    }
  }
  return [...marks.values()];
}

interface Stored {
  readonly time: number;
  readonly timeEnd: number;
  readonly text: string;
  readonly tags: readonly string[];
}

async function fromGrafana(query: AnnotationQuery, uid: string, range: Range): Promise<Mark[]> {
  const search = new URLSearchParams({ from: String(Math.round(range.from)), to: String(Math.round(range.to)) });
  const byTags = query.target?.type === "tags" && (query.target.tags ?? []).length > 0;
  if (byTags) for (const tag of query.target?.tags ?? []) search.append("tags", tag);
  else search.set("dashboardUID", uid);
  const list = await ask<Stored[]>("GET", `/api/annotations?${search.toString()}`);
  const color = cssColor(query.iconColor ?? "rgba(0, 211, 255, 1)");
  return list.map(({ time, timeEnd, text, tags }) => ({ time, end: timeEnd, title: text, text: "", tags, color }));
}

/** All marks of a dashboard in the range. What cannot be had is told in `errors`; the charts are drawn without it. */
export async function loadMarks(
  queries: readonly AnnotationQuery[],
  uid: string,
  sources: readonly Source[],
  values: Values,
  range: Range,
): Promise<{ marks: Mark[]; errors: string[] }> {
  const errors: string[] = [];
  // Every dashboard shows its own annotations, also one that was saved without saying so.
  const list = queries.some(({ builtIn }) => builtIn === 1) ? queries : [{ builtIn: 1, enable: true }, ...queries];
  const found = await Promise.all(
    list
      .filter(({ enable }) => enable !== false)
      .map(async (query) => {
        try {
          const ref = query.datasource;
          const written = typeof ref === "string" ? ref : (ref?.uid ?? "");
          const isOwn = query.builtIn === 1 || written.startsWith("-- Grafana") || written === "grafana";
          return await (isOwn ? fromGrafana(query, uid, range) : fromPrometheus(query, sources, values, range));
        } catch (error) {
          errors.push(`Annotations "${query.name ?? ""}": ${(error as Error).message}`);
          return [];
        }
      }),
  );
  return { marks: found.flat(), errors };
}
