import type { Transformation } from "../model.js";
import { regExp } from "./fields.js";
import { type Field, type Frame, height, numberFields, numbers, timeField, type Value } from "./frames.js";
import { calculationName, reduce } from "./reduce.js";

type Options = Readonly<Record<string, unknown>>;

const strings = (value: unknown) => (Array.isArray(value) ? value.filter((entry) => typeof entry === "string") : []);

function column(name: string, type: Field["type"], values: readonly Value[], from?: Field): Field {
  return { name, title: name, type, values, labels: {}, config: from?.config ?? {}, index: from?.index ?? 0 };
}

/** Several frames of the same query become one table with a row per value; labels become columns. */
function merge(frames: readonly Frame[]): Frame[] {
  if (frames.length <= 1) return [...frames];
  const names = [
    ...new Set(frames.flatMap(({ fields }) => fields.filter(({ type }) => type !== "number").map(({ name }) => name))),
  ];
  const figures = [
    ...new Set(frames.flatMap((frame) => numberFields(frame).map((field) => valueName(frame, field, frames)))),
  ];
  const rows = new Map<string, Map<string, Value>>();
  for (const frame of frames) {
    for (let row = 0; row < height(frame); row++) {
      const at = (name: string) => frame.fields.find((field) => field.name === name)?.values[row] ?? null;
      const key = JSON.stringify(names.filter((name) => name !== "Time").map(at));
      const cells = rows.get(key) ?? new Map<string, Value>(names.map((name) => [name, at(name)]));
      for (const field of numberFields(frame)) cells.set(valueName(frame, field, frames), field.values[row] ?? null);
      rows.set(key, cells);
    }
  }
  const list = [...rows.values()];
  const find = (name: string) => frames.flatMap(({ fields }) => fields).find((field) => field.name === name);
  const fields = [
    ...names.map((name) =>
      column(
        name,
        find(name)?.type ?? "string",
        list.map((cells) => cells.get(name) ?? null),
        find(name),
      ),
    ),
    ...figures.map((name) =>
      column(
        name,
        "number",
        list.map((cells) => cells.get(name) ?? null),
      ),
    ),
  ];
  return [{ refId: frames[0]?.refId ?? "", name: "", fields }];
}

/** `Value`, or `Value #A` where several queries have one. */
function valueName(frame: Frame, field: Field, frames: readonly Frame[]): string {
  const several = new Set(frames.map(({ refId }) => refId)).size > 1;
  return several && field.name === "Value" ? `Value #${frame.refId}` : field.name;
}

function organize(frames: readonly Frame[], options: Options): Frame[] {
  const excluded = (options.excludeByName ?? {}) as Record<string, boolean>;
  const order = (options.indexByName ?? {}) as Record<string, number>;
  const renamed = (options.renameByName ?? {}) as Record<string, string>;
  return frames.map((frame) => ({
    ...frame,
    fields: frame.fields
      .filter((field) => excluded[field.title] !== true && excluded[field.name] !== true)
      .map((field, index) => ({ field, at: order[field.title] ?? order[field.name] ?? 1000 + index }))
      .sort((left, right) => left.at - right.at)
      .map(({ field }) => {
        const title = renamed[field.title] ?? renamed[field.name] ?? "";
        return title === "" ? field : { ...field, title, name: title };
      }),
  }));
}

function reduced(frames: readonly Frame[], options: Options): Frame[] {
  const calcs = strings(options.reducers);
  const series = frames.flatMap(numberFields);
  return [
    {
      refId: frames[0]?.refId ?? "",
      name: "",
      fields: [
        column(
          "Field",
          "string",
          series.map(({ title }) => title),
        ),
        ...calcs.map((calc) =>
          column(
            calculationName(calc),
            "number",
            series.map((field) => reduce(numbers(field), calc)),
            series[0],
          ),
        ),
      ],
    },
  ];
}

function sorted(frames: readonly Frame[], options: Options): Frame[] {
  const [by] = (Array.isArray(options.sort) ? options.sort : []) as { field?: string; desc?: boolean }[];
  return frames.map((frame) => {
    const key = frame.fields.find((field) => field.title === by?.field || field.name === by?.field);
    if (key === undefined) return frame;
    const rows = Array.from({ length: height(frame) }, (_, row) => row).sort((left, right) =>
      compare(key.values[left] ?? null, key.values[right] ?? null),
    );
    if (by?.desc === true) rows.reverse();
    return {
      ...frame,
      fields: frame.fields.map((field) => ({ ...field, values: rows.map((row) => field.values[row] ?? null) })),
    };
  });
}

export function compare(left: Value, right: Value): number {
  if (left === right) return 0;
  if (left === null || right === null) return left === null ? -1 : 1;
  return typeof left === "number" && typeof right === "number"
    ? left - right
    : String(left).localeCompare(String(right), "en", { numeric: true });
}

function filtered(frames: readonly Frame[], options: Options): Frame[] {
  const keep = (rule: unknown, title: string) => {
    const { names, pattern } = (rule ?? {}) as { names?: unknown; pattern?: string };
    return (
      strings(names).includes(title) ||
      (pattern !== undefined && pattern !== "" && regExp(pattern)?.test(title) === true)
    );
  };
  return frames.map((frame) => ({
    ...frame,
    fields: frame.fields.filter(
      ({ title }) =>
        (options.include === undefined || keep(options.include, title)) &&
        (options.exclude === undefined || !keep(options.exclude, title)),
    ),
  }));
}

function renamed(frames: readonly Frame[], options: Options): Frame[] {
  const pattern = regExp(typeof options.regex === "string" ? options.regex : "");
  const by = typeof options.renamePattern === "string" ? options.renamePattern : "";
  if (pattern === undefined) return [...frames];
  return frames.map((frame) => ({
    ...frame,
    fields: frame.fields.map((field) => ({ ...field, title: field.title.replace(pattern, by) })),
  }));
}

/** A table with a row per series: its labels and the value of its last point. */
function labelsToColumns(frames: readonly Frame[]): Frame[] {
  const series = frames.flatMap((frame) => numberFields(frame).map((field) => ({ frame, field })));
  const labels = [...new Set(series.flatMap(({ field }) => Object.keys(field.labels)))].sort();
  const times = series.map(({ frame }) => timeField(frame)?.values.at(-1) ?? null);
  return [
    {
      refId: frames[0]?.refId ?? "",
      name: "",
      fields: [
        column("Time", "time", times),
        ...labels.map((label) =>
          column(
            label,
            "string",
            series.map(({ field }) => field.labels[label] ?? ""),
          ),
        ),
        column(
          "Value",
          "number",
          series.map(({ field }) => reduce(numbers(field), "lastNotNull")),
          series[0]?.field,
        ),
      ],
    },
  ];
}

const KNOWN: Readonly<Record<string, (frames: readonly Frame[], options: Options) => Frame[]>> = {
  merge,
  organize,
  reduce: reduced,
  sortBy: sorted,
  filterFieldsByName: filtered,
  renameByRegex: renamed,
  labelsToFields: labelsToColumns,
  seriesToRows: merge,
  limit: (frames, options) =>
    frames.map((frame) => ({
      ...frame,
      fields: frame.fields.map((field) => ({
        ...field,
        values: field.values.slice(0, Number(options.limitField ?? 10)),
      })),
    })),
};

/** Applies a panel's transformations; names those that the preview cannot do, and leaves them out. */
export function transform(
  frames: readonly Frame[],
  list: readonly Transformation[],
): { frames: Frame[]; missing: string[] } {
  const missing: string[] = [];
  let current = [...frames];
  for (const { id, options = {}, disabled } of list) {
    if (disabled === true) continue;
    const run = KNOWN[id];
    if (run === undefined) missing.push(id);
    else current = run(current, options);
  }
  return { frames: current, missing };
}
