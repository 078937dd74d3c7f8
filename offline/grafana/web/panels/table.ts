import { bounds, show, showText } from "../data/fields.js";
import { custom, type Field, type Frame, height, numberFields, numbers, timeField } from "../data/frames.js";
import { reduce } from "../data/reduce.js";
import { compare, transform } from "../data/transform.js";
import { fill, h } from "../dom.js";
import { readableOn, withAlpha } from "../palette.js";
import { dateTime } from "../units.js";
import type { Drawing, View } from "./panel.js";

const MOST_ROWS = 500;

/** Several time series without a transformation are shown as one table: each series with its last value. */
function single(frames: readonly Frame[]): Frame | undefined {
  if (frames.length <= 1) return frames[0];
  const areSeries = frames.every(
    (frame) => timeField(frame) !== undefined && numberFields(frame).length === 1 && frame.fields.length === 2,
  );
  if (!areSeries) return transform(frames, [{ id: "merge" }]).frames[0];
  const fields = frames.flatMap(numberFields);
  const from = fields[0];
  const names = fields.map(({ title }) => title);
  const series: Field = {
    name: "Series",
    title: "Series",
    type: "string",
    labels: {},
    values: names,
    config: {},
    index: -1,
  };
  const last = fields.map((field) => reduce(numbers(field), "lastNotNull"));
  const value: Field = {
    name: "Value",
    title: "Value",
    type: "number",
    labels: {},
    values: last,
    config: from?.config ?? {},
    index: 0,
  };
  return { refId: frames[0]?.refId ?? "", name: "", fields: [series, value] };
}

/** Rows and columns; a click on a heading sorts. */
export class Table implements Drawing {
  private sort: { title: string; desc: boolean } | undefined;

  constructor(private readonly element: HTMLElement) {
    element.classList.add("table-panel");
  }

  draw(view: View): void {
    const { panel, data } = view;
    const frame = single(data.frames);
    const fields = (frame?.fields ?? []).filter((field) => custom(field).hideFrom?.viz !== true);
    if (frame === undefined || fields.length === 0 || height(frame) === 0) {
      fill(this.element, h("p", { class: "empty" }, panel.fieldConfig?.defaults?.noValue ?? "No data"));
      return;
    }
    const given = panel.options?.sortBy?.[0];
    const sort =
      this.sort ?? (given === undefined ? undefined : { title: given.displayName, desc: given.desc === true });
    const rows = Array.from({ length: height(frame) }, (_, row) => row);
    const key = fields.find(({ title }) => title === sort?.title);
    if (key !== undefined) {
      rows.sort((left, right) => compare(key.values[left] ?? null, key.values[right] ?? null));
      if (sort?.desc === true) rows.reverse();
    }
    const head = fields.map((field) => {
      const isSorted = field === key;
      const onclick = () => {
        this.sort = { title: field.title, desc: isSorted ? sort?.desc !== true : field.type === "number" };
        this.draw(view);
      };
      const width = custom(field).width;
      const arrow = isSorted ? (sort?.desc === true ? " ↓" : " ↑") : "";
      return h(
        "th",
        { class: align(field), style: width === undefined ? "" : `width:${width}px`, onclick },
        field.title + arrow,
      );
    });
    const body = rows.slice(0, MOST_ROWS).map((row) => h("tr", {}, ...fields.map((field) => cell(field, row))));
    const scrolled = this.element.scrollTop;
    fill(
      this.element,
      h(
        "table",
        {},
        panel.options?.showHeader !== false && h("thead", {}, h("tr", {}, ...head)),
        h("tbody", {}, ...body),
      ),
      rows.length > MOST_ROWS && h("p", { class: "empty" }, `${rows.length - MOST_ROWS} more rows are not shown.`),
    );
    this.element.scrollTop = scrolled;
  }

  close(): void {
    fill(this.element);
  }
}

function align(field: Field): string {
  const { align: given = "auto" } = custom(field);
  return given === "auto" ? (field.type === "number" ? "right" : "left") : given;
}

function cell(field: Field, row: number): HTMLElement {
  const value = field.values[row] ?? null;
  if (field.type === "time" && typeof value === "number" && field.config.unit === undefined)
    return h("td", {}, dateTime(value));
  const text = showText(value, field);
  const { type = "auto", mode } = custom(field).cellOptions ?? {};
  const { color } = show(value, field);
  if (type === "color-background" && value !== null) {
    return h(
      "td",
      {
        class: align(field),
        style: `background:${mode === "basic" ? color : withAlpha(color, 0.85)};color:${readableOn(color)}`,
      },
      text,
    );
  }
  if (type === "gauge" && typeof value === "number") {
    const { min, max } = bounds(field);
    const part = Math.min(100, Math.max(0, ((value - min) / (max - min)) * 100));
    return h(
      "td",
      { class: "gauge-cell" },
      h("span", { class: "track" }, h("span", { class: "bar", style: `--part:${part}%;background:${color}` })),
      h("b", { style: `color:${color}` }, text),
    );
  }
  const isMapped = (field.config.mappings ?? []).length > 0;
  return h("td", { class: align(field), style: type === "color-text" || isMapped ? `color:${color}` : "" }, text);
}
