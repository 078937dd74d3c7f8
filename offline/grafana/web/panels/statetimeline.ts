import { show, showText } from "../data/fields.js";
import { custom, type Field, timeField, type Value } from "../data/frames.js";
import type { Range } from "../data/time.js";
import { fill, h } from "../dom.js";
import { readableOn, withAlpha } from "../palette.js";
import { dateTime, formatText } from "../units.js";
import type { Drawing, View } from "./panel.js";

interface Span {
  readonly from: number;
  to: number;
  readonly value: Value;
}

/** Neighbouring points of the same value become one span; a gap between points stays empty. */
export function spans(
  times: readonly Value[],
  values: readonly Value[],
  range: Range,
  merge: boolean,
  same: (a: Value, b: Value) => boolean,
): Span[] {
  const known = times.map((time) => (typeof time === "number" ? time : NaN));
  const gaps = known.slice(1).map((time, index) => time - (known[index] ?? time));
  const usual = gaps.length === 0 ? range.to - range.from : Math.min(...gaps.filter((gap) => gap > 0));
  const found: Span[] = [];
  known.forEach((time, index) => {
    const value = values[index] ?? null;
    if (Number.isNaN(time) || value === null || time > range.to) return;
    const next = known[index + 1] ?? time + usual;
    const to = Math.min(next - time > usual * 1.5 ? time + usual : next, range.to);
    const last = found[found.length - 1];
    if (last !== undefined && merge && last.to >= time - 1 && same(last.value, value)) last.to = to;
    else found.push({ from: Math.max(time, range.from), to, value });
  });
  return found.filter(({ from, to }) => to > from);
}

/** Times for the axis at round steps, about six of them. */
function ticks({ from, to }: Range): number[] {
  const step =
    [60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400]
      .map((size) => size * 1000)
      .find((size) => (to - from) / size <= 7) ?? (to - from) / 6;
  const offset = new Date(from).getTimezoneOffset() * 60_000;
  const first = Math.ceil((from - offset) / step) * step + offset;
  return Array.from({ length: Math.max(0, Math.floor((to - first) / step) + 1) }, (_, index) => first + index * step);
}

/** One lane per series, coloured by its state. */
export class StateTimeline implements Drawing {
  constructor(private readonly element: HTMLElement) {
    element.classList.add("state-timeline");
  }

  draw({ panel, data, marks }: View): void {
    const { range } = data;
    const { mergeValues = true, showValue = "auto", rowHeight = 0.9 } = panel.options ?? {};
    const lanes = data.frames.flatMap((frame) => {
      const time = timeField(frame);
      return frame.fields.filter(({ type }) => type !== "time").map((field) => ({ field, times: time?.values ?? [] }));
    });
    if (lanes.length === 0) {
      fill(this.element, h("p", { class: "empty" }, panel.fieldConfig?.defaults?.noValue ?? "No data"));
      return;
    }
    const width = range.to - range.from;
    const percent = (time: number) => ((time - range.from) / width) * 100;
    const rows = lanes.map(({ field, times }) => {
      const list = spans(times, field.values, range, mergeValues, (a, b) => showText(a, field) === showText(b, field));
      return h(
        "div",
        { class: "lane" },
        h("span", { class: "name", title: field.title }, field.title),
        h(
          "span",
          { class: "track", style: `--height:${rowHeight}` },
          ...list.map((span) => this.span(span, field, percent, showValue)),
        ),
      );
    });
    const axis = ticks(range).map((time) => {
      const date = new Date(time);
      const clock = `${String(date.getHours()).padStart(2, "0")}:${String(date.getMinutes()).padStart(2, "0")}`;
      return h("i", { style: `left:${percent(time)}%` }, clock);
    });
    const lines = marks.map((mark) =>
      h("b", {
        style: `left:${percent(mark.time)}%;border-color:${mark.color}`,
        title: `${mark.title}\n${dateTime(mark.time)}`,
      }),
    );
    this.element.style.gridTemplateRows = `repeat(${rows.length}, minmax(18px, 1fr)) 20px`;
    fill(this.element, ...rows, h("div", { class: "axis" }, ...axis, ...lines));
  }

  close(): void {
    fill(this.element);
  }

  private span(
    { from, to, value }: Span,
    field: Field,
    percent: (time: number) => number,
    showValue: string,
  ): HTMLElement {
    const { color } = show(value, field);
    const text = showText(value, field);
    const opacity = (custom(field).fillOpacity ?? 70) / 100;
    const size = percent(to) - percent(from);
    const isWide = (size / 100) * this.element.clientWidth * 0.8 > text.length * 7 + 10;
    const paint = color === "currentColor" ? "var(--muted)" : withAlpha(color, opacity);
    return h(
      "span",
      {
        class: "state",
        style: `left:${percent(from)}%;width:${size}%;background:${paint};color:${readableOn(color)}`,
        title: `${field.title}: ${text}\n${dateTime(from)} to ${dateTime(to)}\n${formatText((to - from) / 1000, "dtdurations")}`,
      },
      (showValue === "always" || (showValue === "auto" && isWide)) && text,
    );
  }
}
