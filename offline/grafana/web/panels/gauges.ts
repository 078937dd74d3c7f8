import { bounds, show, steps } from "../data/fields.js";
import type { Field } from "../data/frames.js";
import { fill, h, svg } from "../dom.js";
import type { Threshold } from "../model.js";
import { cssColor, withAlpha } from "../palette.js";
import { type Figure, figures, nothing } from "./figures.js";
import type { Drawing, View } from "./panel.js";

const START = -210;
const SWEEP = 240;

function limits(field: Field): { min: number; max: number } {
  const { min, max } = bounds(field);
  // A gauge without limits of its own goes from 0 to 100, as Grafana's does.
  return {
    min: field.config.min ?? Math.min(0, min),
    max: field.config.max ?? (field.config.unit === "percentunit" ? 1 : Math.max(100, max)),
  };
}

function share(value: number, { min, max }: { min: number; max: number }): number {
  return max === min ? 0 : Math.min(1, Math.max(0, (value - min) / (max - min)));
}

function arc(radius: number, from: number, to: number): string {
  const at = (part: number) => {
    const angle = ((START + SWEEP * part) * Math.PI) / 180;
    return `${(100 + radius * Math.cos(angle)).toFixed(2)} ${(100 + radius * Math.sin(angle)).toFixed(2)}`;
  };
  const isLarge = SWEEP * (to - from) > 180 ? 1 : 0;
  return `M ${at(from)} A ${radius} ${radius} 0 ${isLarge} 1 ${at(to)}`;
}

/** Round gauges. */
export class Gauge implements Drawing {
  constructor(private readonly element: HTMLElement) {
    element.classList.add("gauges");
  }

  draw({ panel, data }: View): void {
    const found = figures(panel, data);
    const list = found.length > 0 ? found : [nothing(panel)];
    const withMarkers = panel.options?.showThresholdMarkers !== false;
    fill(this.element, ...list.map((figure) => gauge(figure, withMarkers, list.length > 1)));
  }

  close(): void {
    fill(this.element);
  }
}

function gauge(figure: Figure, withMarkers: boolean, withName: boolean): HTMLElement {
  const { field, value } = figure;
  const range = limits(field);
  const { prefix, text, suffix, color } = show(value, field);
  const part = typeof value === "number" ? share(value, range) : 0;
  const isPercentage = field.config.thresholds?.mode === "percentage";
  const at = ({ value: limit }: Threshold) => (limit === null ? 0 : isPercentage ? limit / 100 : share(limit, range));
  const list = steps(field.config);
  const size = Math.max(14, Math.min(34, 160 / Math.max(text.length + suffix.length, 3)));
  const label = svg(
    "text",
    { x: 100, y: 108, "text-anchor": "middle", class: "value", style: `fill:${color};font-size:${size}px` },
    `${prefix}${text}${suffix}`,
  );
  return h(
    "div",
    { class: "gauge", title: figure.title },
    svg(
      "svg",
      { viewBox: "10 12 180 142", role: "img", "aria-label": `${figure.title} ${text}${suffix}` },
      svg("path", { d: arc(70, 0, 1), class: "track" }),
      part > 0 ? svg("path", { d: arc(70, 0, part), class: "bar", style: `stroke:${color}` }) : undefined,
      ...(withMarkers
        ? list.map((step, index) => {
            const [from, to] = [at(step), index + 1 < list.length ? at(list[index + 1] ?? step) : 1];
            return to > from
              ? svg("path", { d: arc(84, from, to), class: "limit", style: `stroke:${cssColor(step.color)}` })
              : undefined;
          })
        : []),
      label,
    ),
    withName && h("div", { class: "name" }, figure.title),
  );
}

/** Bars from the least to the greatest value, one below the other or side by side. */
export class BarGauge implements Drawing {
  constructor(private readonly element: HTMLElement) {
    element.classList.add("bar-gauge");
  }

  draw({ panel, data }: View): void {
    const found = figures(panel, data);
    const list = found.length > 0 ? found : [nothing(panel)];
    const { orientation = "auto", displayMode = "gradient" } = panel.options ?? {};
    const isUpright =
      orientation === "vertical" || (orientation === "auto" && this.element.clientHeight > this.element.clientWidth);
    this.element.classList.toggle("upright", isUpright);
    // Bars of one panel are to be compared: they share the greatest value unless a maximum is set.
    const tops = list.map(({ value }) => (typeof value === "number" ? value : 0));
    const shared = Math.max(...tops, 0);
    fill(this.element, ...list.map((figure) => bar(figure, displayMode, isUpright, shared)));
  }

  close(): void {
    fill(this.element);
  }
}

function bar({ field, title, value }: Figure, displayMode: string, isUpright: boolean, shared: number): HTMLElement {
  const { prefix, text, suffix, color } = show(value, field);
  const range = { min: field.config.min ?? 0, max: field.config.max ?? (shared > 0 ? shared : 1) };
  const part = typeof value === "number" ? share(value, range) : 0;
  const paint =
    displayMode === "basic"
      ? color
      : displayMode === "lcd"
        ? `repeating-linear-gradient(${isUpright ? "0deg" : "90deg"}, ${color} 0 8px, transparent 8px 11px)`
        : `linear-gradient(${isUpright ? "0deg" : "90deg"}, ${withAlpha(color, 0.35)}, ${color})`;
  return h(
    "div",
    { class: "bar-row", title },
    h("span", { class: "name" }, title),
    h(
      "span",
      { class: "track" },
      h("span", { class: "bar", style: `--part:${(part * 100).toFixed(2)}%;background:${paint}` }),
    ),
    h("span", { class: "value", style: `color:${color}` }, `${prefix}${text}${suffix}`),
  );
}
