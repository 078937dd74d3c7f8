import { configure, showText } from "../data/fields.js";
import { type Field, height, numberFields, numbers, timeField } from "../data/frames.js";
import type { PanelData } from "../data/query.js";
import { reduce } from "../data/reduce.js";
import type { Panel } from "../model.js";

/** One big figure: a series reduced to a value, or one row of a table. */
export interface Figure {
  readonly field: Field;
  readonly title: string;
  readonly value: number | string | null;
  /** The series behind it, for a spark line; empty where there is none. */
  readonly series: readonly (number | null)[];
  readonly times: readonly number[];
}

/** The figures of a stat, gauge or bar gauge, as its reduce options say. */
export function figures(panel: Panel, data: PanelData): Figure[] {
  const { calcs = ["lastNotNull"], values = false, fields = "", limit = 25 } = panel.options?.reduceOptions ?? {};
  const calc = calcs[0] ?? "lastNotNull";
  const pattern = fields.startsWith("/") ? new RegExp(fields.slice(1, -1)) : undefined;
  const all = data.frames.flatMap((frame) => {
    const wanted = frame.fields.filter((field) =>
      fields === ""
        ? field.type === "number"
        : pattern === undefined
          ? field.title === fields
          : pattern.test(field.title) && field.type !== "time",
    );
    return wanted.map((field) => ({ frame, field }));
  });
  if (values) {
    return all
      .flatMap(({ frame, field }) => {
        const name = frame.fields.find(({ type }) => type === "string");
        return Array.from({ length: height(frame) }, (_, row): Figure => ({
          field,
          title: name === undefined ? field.title : showText(name.values[row] ?? null, name),
          value: field.values[row] ?? null,
          series: [],
          times: [],
        }));
      })
      .slice(0, limit);
  }
  return all.map(({ frame, field }): Figure => {
    const time = timeField(frame);
    const isNumber = field.type === "number";
    return {
      field,
      title: field.title,
      value: isNumber ? reduce(numbers(field), calc) : (field.values[field.values.length - 1] ?? null),
      series: isNumber ? numbers(field) : [],
      times: time === undefined ? [] : numbers(time).map((value) => value ?? 0),
    };
  });
}

/** The figure for "no data", with the panel's own text. */
export function nothing(panel: Panel): Figure {
  const empty: Field = { name: "", title: "", type: "number", labels: {}, values: [], config: {}, index: 0 };
  const [frame] = configure([{ refId: "", name: "", fields: [empty] }], panel);
  const field = (frame === undefined ? undefined : numberFields(frame)[0]) ?? empty;
  return {
    field: { ...field, config: { noValue: "No data", ...field.config } },
    title: "",
    value: null,
    series: [],
    times: [],
  };
}
