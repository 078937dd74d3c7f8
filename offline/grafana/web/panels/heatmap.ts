import uPlot from "uplot";
import { numberFields, numbers, timeField } from "../data/frames.js";
import type { PanelData } from "../data/query.js";
import { fill, h } from "../dom.js";
import { schemeColor } from "../palette.js";
import { dateTime, formatText } from "../units.js";
import { chartColors, marksPlugin, placeTooltip, timeAxis, timeScale, valueAxis } from "./chart.js";
import type { Drawing, View } from "./panel.js";

/** The cells of a heat map: for each moment how many fell into each bucket. */
export interface Cells {
  /** Seconds since 1970, the beginning of each column's step. */
  readonly times: readonly number[];
  readonly step: number;
  /** Upper ends of the buckets, least first; the last may be infinite. */
  readonly buckets: readonly number[];
  /** By bucket, then by moment. */
  readonly counts: readonly (readonly (number | null)[])[];
}

/** Takes the cumulative buckets of a Prometheus histogram apart; undefined where the series are no buckets. */
export function cellsOf(data: PanelData): Cells | undefined {
  const byBucket = data.frames.flatMap((frame) => {
    const time = timeField(frame);
    return numberFields(frame).flatMap((field) => {
      const text = field.labels.le ?? field.title;
      const end = text === "+Inf" ? Infinity : Number(text);
      return time === undefined || Number.isNaN(end) ? [] : [{ end, times: numbers(time), values: numbers(field) }];
    });
  });
  if (byBucket.length === 0) return undefined;
  byBucket.sort((left, right) => left.end - right.end);
  const times = [...new Set(byBucket.flatMap((bucket) => bucket.times.map((time) => (time ?? 0) / 1000)))].sort(
    (left, right) => left - right,
  );
  const columns = byBucket.map((bucket) => {
    const known = new Map(bucket.times.map((time, index) => [(time ?? 0) / 1000, bucket.values[index] ?? null]));
    return times.map((time) => known.get(time) ?? null);
  });
  const counts = columns.map((column, index) =>
    column.map((value, at) =>
      value === null ? null : Math.max(0, value - (index === 0 ? 0 : (columns[index - 1]?.[at] ?? 0))),
    ),
  );
  const gaps = times.slice(1).map((time, index) => time - (times[index] ?? time));
  return { times, step: gaps.length === 0 ? 15 : Math.min(...gaps), buckets: byBucket.map(({ end }) => end), counts };
}

/** How many fell into which bucket at each moment, as colours. */
export class Heatmap implements Drawing {
  private chart: uPlot | undefined;
  private readonly tooltip = h("div", { class: "tooltip", hidden: true });
  private readonly plot = h("div", { class: "plot" });
  private readonly scaleBox = h("div", { class: "legend-box" });

  constructor(element: HTMLElement) {
    element.classList.add("heatmap");
    fill(element, this.plot, this.scaleBox);
    document.body.append(this.tooltip);
  }

  draw(view: View): void {
    const cells = cellsOf(view.data);
    this.chart?.destroy();
    this.chart = undefined;
    this.tooltip.hidden = true;
    fill(this.plot);
    fill(this.scaleBox);
    if (view.panel.options?.calculate === true) {
      fill(
        this.plot,
        h(
          "p",
          { class: "empty" },
          "The preview draws heat maps of histogram buckets only, not ones calculated from plain series.",
        ),
      );
      return;
    }
    if (cells === undefined) {
      fill(this.plot, h("p", { class: "empty" }, "No data"));
      return;
    }
    const most = Math.max(...cells.counts.flat().map((count) => count ?? 0), 0);
    const { scheme = "Oranges", reverse = false, exponent = 0.5 } = view.panel.options?.color ?? {};
    const paint = (count: number) =>
      schemeColor(scheme, most === 0 ? 0 : (count / most) ** exponent, view.isDark, reverse);
    if (view.panel.options?.legend?.show !== false && most > 0) {
      const stops = Array.from({ length: 12 }, (_, index) => paint((most * (index + 0.5)) / 12)).join(",");
      fill(
        this.scaleBox,
        h(
          "div",
          { class: "scale" },
          "0",
          h("i", { style: `background:linear-gradient(90deg,${stops})` }),
          formatText(most, "short"),
        ),
      );
    }
    const { clientWidth: width, clientHeight: height } = this.plot;
    if (width < 20 || height < 20) return;
    const unit = view.panel.options?.yAxis?.unit ?? view.panel.fieldConfig?.defaults?.unit;
    const label = (end: number | undefined) =>
      end === undefined ? "" : end === Infinity ? "∞" : formatText(end, unit);
    const colors = chartColors(view.isDark);
    const rows = cells.buckets.length;
    const every = Math.max(1, Math.ceil(rows / (height / 22)));
    const options: uPlot.Options = {
      width,
      height,
      padding: [8, 18, 0, 0],
      legend: { show: false },
      cursor: {
        points: { show: false },
        drag: { x: true, y: false, setScale: false },
        ...(view.syncKey === undefined ? {} : { sync: { key: view.syncKey, scales: ["x", null] } }),
      },
      scales: { x: timeScale(view.data.range), y: { range: [0, rows] } },
      axes: [
        { ...timeAxis(colors), grid: { show: false } },
        {
          ...valueAxis(colors, "y", false, (splits) => splits.map((row) => label(cells.buckets[row - 1]))),
          grid: { show: false },
          splits: () =>
            Array.from({ length: rows }, (_, index) => index + 1).filter((row) => (rows - row) % every === 0),
        },
      ],
      series: [{}, { scale: "y", points: { show: false }, paths: () => null }],
      plugins: [marksPlugin(view.marks)],
      hooks: {
        drawAxes: [
          (chart) =>
            drawCells(
              chart,
              cells,
              paint,
              view.panel.options?.filterValues?.le ?? 1e-9,
              view.panel.options?.cellGap ?? 1,
            ),
        ],
        setCursor: [(chart) => this.hover(chart, cells, label, paint)],
        setSelect: [
          (chart) => {
            const { left, width: selected } = chart.select;
            if (selected < 4) return;
            view.zoom({ from: chart.posToVal(left, "x") * 1000, to: chart.posToVal(left + selected, "x") * 1000 });
          },
        ],
      },
    };
    this.chart = new uPlot(options, [[...cells.times], cells.times.map(() => 0)], this.plot);
  }

  close(): void {
    this.chart?.destroy();
    this.tooltip.remove();
  }

  private hover(
    chart: uPlot,
    cells: Cells,
    label: (end: number | undefined) => string,
    paint: (count: number) => string,
  ): void {
    const { left = -1, top = -1 } = chart.cursor;
    const row = Math.floor(chart.posToVal(top, "y"));
    const time = chart.posToVal(left, "x");
    const at = cells.times.findIndex((start) => time >= start && time < start + cells.step);
    const count = cells.counts[row]?.[at];
    if (left < 0 || !chart.over.matches(":hover") || count === undefined || count === null) {
      this.tooltip.hidden = true;
      return;
    }
    const from = row === 0 ? "0" : label(cells.buckets[row - 1]);
    fill(
      this.tooltip,
      h("header", {}, dateTime((cells.times[at] ?? 0) * 1000)),
      h(
        "div",
        {},
        h("i", { style: `background:${paint(count)}` }),
        h("span", {}, `${from} to ${label(cells.buckets[row])}`),
        h("b", {}, formatText(count, "short")),
      ),
    );
    this.tooltip.hidden = false;
    placeTooltip(this.tooltip, chart);
  }
}

function drawCells(chart: uPlot, cells: Cells, paint: (count: number) => string, least: number, gap: number): void {
  const { ctx, bbox } = chart;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  const space = gap * devicePixelRatio;
  cells.counts.forEach((column, row) => {
    const top = chart.valToPos(row + 1, "y", true);
    const height = chart.valToPos(row, "y", true) - top;
    column.forEach((count, at) => {
      if (count === null || count <= least) return;
      const left = chart.valToPos(cells.times[at] ?? 0, "x", true);
      const width = chart.valToPos((cells.times[at] ?? 0) + cells.step, "x", true) - left;
      ctx.fillStyle = paint(count);
      ctx.fillRect(left, top, Math.max(1, width - (width > 4 * space ? space : 0)), Math.max(1, height - space));
    });
  });
  ctx.restore();
}
