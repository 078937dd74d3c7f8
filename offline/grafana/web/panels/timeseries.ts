import uPlot from "uplot";
import { seriesColor, showText } from "../data/fields.js";
import { custom, type Field, type Frame, numberFields, numbers, timeField } from "../data/frames.js";
import { fill, h } from "../dom.js";
import { withAlpha } from "../palette.js";
import { dateTime, fixed } from "../units.js";
import { chartColors, marksPlugin, placeTooltip, timeAxis, timeScale, valueAxis } from "./chart.js";
import { afterClick, legend } from "./legend.js";
import type { Drawing, View } from "./panel.js";
import { axisLabels, BINARY_STEPS, isBinary, rangeOf, thresholdsPlugin } from "./scales.js";
import { type Column, type Layer, stack } from "./stacking.js";

interface Line {
  readonly field: Field;
  readonly color: string;
  readonly scale: string;
  readonly values: Column;
}

/** All number columns of all frames on one axis of time. */
function align(frames: readonly Frame[]): { times: number[]; lines: { field: Field; values: Column }[] } {
  const usable = frames.flatMap((frame) => {
    const time = timeField(frame);
    return time === undefined
      ? []
      : numberFields(frame).map((field) => ({
          field,
          times: numbers(time).map((value) => (value ?? 0) / 1000),
          values: numbers(field),
        }));
  });
  if (usable.length === 0) return { times: [], lines: [] };
  // Gaps inside one series stay gaps; moments that only other series have do not make new ones.
  const joined = uPlot.join(
    usable.map(({ times, values }): uPlot.AlignedData => [times, values]),
    usable.map(() => [2, 2]),
  );
  return {
    times: [...joined[0]],
    lines: usable.map(({ field }, index) => ({
      field,
      values: [...(joined[index + 1] ?? [])].map((value) => value ?? null),
    })),
  };
}

function scaleOf(field: Field): string {
  const { stacking, axisPlacement } = custom(field);
  const unit = stacking?.mode === "percent" ? "%stack" : (field.config.unit ?? "");
  return `${axisPlacement === "right" ? "right" : "left"}:${unit}`;
}

function layerOf({ field, values, scale }: Line): Layer {
  const { stacking, transform } = custom(field);
  const sign = transform === "negative-Y" ? -1 : 1;
  return {
    values: sign === 1 ? values : values.map((value) => (value === null ? null : -value)),
    mode: stacking?.mode ?? "none",
    group: `${scale}/${stacking?.group ?? "A"}/${sign}`,
  };
}

const paths: Record<string, uPlot.Series.PathBuilder | undefined> = {
  linear: uPlot.paths.linear?.(),
  smooth: uPlot.paths.spline?.(),
  stepBefore: uPlot.paths.stepped?.({ align: -1 }),
  stepAfter: uPlot.paths.stepped?.({ align: 1 }),
  bars: uPlot.paths.bars?.({ size: [0.85, 40], align: 0 }),
  points: () => null,
};

function seriesOf(line: Line, isStacked: boolean, pointCount: number, width: number): uPlot.Series {
  const {
    drawStyle = "line",
    lineInterpolation = "linear",
    lineWidth = 1,
    fillOpacity = 0,
    showPoints,
    pointSize = 5,
    spanNulls,
    lineStyle,
  } = custom(line.field);
  const opacity = fillOpacity / 100;
  const builder = paths[drawStyle === "line" ? lineInterpolation : drawStyle] ?? paths.linear;
  const isSparse = pointCount < width / 12;
  // A lone point between two gaps has no line: without a dot it could not be seen.
  return {
    label: line.field.title,
    scale: line.scale,
    stroke: line.color,
    width: drawStyle === "points" ? 0 : lineWidth,
    spanGaps: spanNulls === true,
    ...(opacity > 0 && drawStyle !== "points" ? { fill: withAlpha(line.color, opacity) } : {}),
    ...(lineStyle?.fill === "dash" ? { dash: [...(lineStyle.dash ?? [10, 6])] } : {}),
    ...(builder === undefined ? {} : { paths: builder }),
    points: {
      size: pointSize,
      width: 1,
      fill: line.color,
      ...(drawStyle === "bars" || showPoints === "never"
        ? { show: false }
        : drawStyle === "points" || showPoints === "always" || (showPoints === "auto" && isSparse && !isStacked)
          ? { show: true }
          : {}),
    },
  };
}

/** Lines, bars and points over time, stacked or not. */
export class Timeseries implements Drawing {
  private chart: uPlot | undefined;
  private signature = "";
  private hidden = new Set<string>();
  private lines: Line[] = [];
  private times: number[] = [];
  private readonly tooltip = h("div", { class: "tooltip", hidden: true });
  private readonly plot = h("div", { class: "plot" });
  private readonly legendBox = h("div", { class: "legend-box" });

  constructor(private readonly element: HTMLElement) {
    element.classList.add("timeseries");
    fill(element, this.plot, this.legendBox);
    document.body.append(this.tooltip);
  }

  draw(view: View): void {
    const { panel, data } = view;
    const { times, lines } = align(data.frames);
    this.times = times;
    this.lines = lines
      .filter(({ field }) => custom(field).hideFrom?.viz !== true)
      .map(({ field, values }) => ({ field, values, color: seriesColor(field), scale: scaleOf(field) }));
    const options = panel.options?.legend ?? {};
    const entries = this.lines
      .filter(({ field }) => custom(field).hideFrom?.legend !== true)
      .map(({ field, color }) => ({ field, color, isHidden: this.hidden.has(field.title) }));
    const titles = entries.map(({ field }) => field.title);
    const table = legend(options, entries, (index, more) => {
      this.hidden = afterClick(this.hidden, titles, titles[index] ?? "", more);
      this.draw(view);
    });
    const scrolled = this.legendBox.firstElementChild?.scrollTop ?? 0;
    fill(this.legendBox, table);
    if (table !== undefined) table.scrollTop = scrolled;
    this.element.classList.toggle("legend-right", options.placement === "right" && table !== undefined);
    if (this.lines.length === 0) {
      this.chart?.destroy();
      this.chart = undefined;
      this.signature = "";
      fill(this.plot, h("p", { class: "empty" }, panel.fieldConfig?.defaults?.noValue ?? "No data"));
      return;
    }
    if (this.chart === undefined) fill(this.plot);
    this.drawPlot(view);
  }

  close(): void {
    this.chart?.destroy();
    this.tooltip.remove();
  }

  private drawPlot(view: View): void {
    const width = Math.floor(this.plot.clientWidth);
    const height = Math.floor(this.plot.clientHeight);
    if (width < 20 || height < 20) return;
    const shown = this.lines.filter(({ field }) => !this.hidden.has(field.title));
    const { drawn, below } = stack(shown.map(layerOf));
    const drawData: uPlot.AlignedData = [this.times, ...drawn];
    const signature = JSON.stringify([
      view.isDark,
      view.syncKey,
      view.data.range.to - view.data.range.from,
      view.marks.length,
      shown.map(({ field, color, scale }) => [field.title, color, scale, field.config]),
    ]);
    if (this.chart !== undefined && signature === this.signature && view.marks.length === 0) {
      const [from, to] = [view.data.range.from / 1000, view.data.range.to / 1000];
      if (this.chart.width !== width || this.chart.height !== height) this.chart.setSize({ width, height });
      const scale = this.chart.scales.x;
      if (scale !== undefined) scale.range = () => [from, to];
      this.chart.setData(drawData);
      return;
    }
    this.signature = signature;
    this.chart?.destroy();
    this.tooltip.hidden = true;
    this.chart = new uPlot(this.options(view, shown, below, width, height), drawData, this.plot);
  }

  private options(
    view: View,
    shown: readonly Line[],
    below: readonly (number | undefined)[],
    width: number,
    height: number,
  ): uPlot.Options {
    const colors = chartColors(view.isDark);
    const scales = [...new Set(shown.map(({ scale }) => scale))];
    const fieldsOn = (scale: string) => shown.filter((line) => line.scale === scale).map(({ field }) => field);
    const isLog = (scale: string) => fieldsOn(scale).some((field) => custom(field).scaleDistribution?.type === "log");
    const axes = scales
      .filter((scale) => !fieldsOn(scale).every((field) => custom(field).axisPlacement === "hidden"))
      .map((scale, index) => {
        const [field] = fieldsOn(scale);
        const isPercent = scale.endsWith("%stack");
        const isRight = scale.startsWith("right:") || (index > 0 && scales.length > 1);
        const format = (values: number[]) => axisLabels(values, field, isPercent);
        const label = field === undefined ? "" : (custom(field).axisLabel ?? "");
        return {
          ...valueAxis(colors, scale, isRight, format, label),
          ...(isBinary(field) ? { incrs: BINARY_STEPS } : {}),
        };
      });
    return {
      width,
      height,
      // Room for the last label of the time axis, which is centred on its moment.
      padding: [8, axes.length > 1 ? 0 : 18, 0, axes.length === 0 ? 8 : 0],
      legend: { show: false },
      cursor: {
        points: { size: 7, width: 2 },
        drag: { x: true, y: false, setScale: false },
        focus: { prox: 24 },
        ...(view.syncKey === undefined ? {} : { sync: { key: view.syncKey, scales: ["x", null] } }),
      },
      focus: { alpha: 1 },
      scales: {
        x: timeScale(view.data.range),
        ...Object.fromEntries(
          scales.map((scale) => [
            scale,
            isLog(scale)
              ? { distr: 3 as const, log: 10 as const }
              : { range: rangeOf(fieldsOn(scale), scale.endsWith("%stack")) },
          ]),
        ),
      },
      axes: [timeAxis(colors), ...(axes.length === 0 ? [{ show: false }] : axes)],
      series: [{}, ...shown.map((line, index) => seriesOf(line, below[index] !== undefined, this.times.length, width))],
      bands: shown.flatMap(({ field, color }, index): uPlot.Band[] => {
        const under = below[index];
        return under === undefined
          ? []
          : [{ series: [index + 1, under + 1], fill: withAlpha(color, (custom(field).fillOpacity ?? 0) / 100) }];
      }),
      plugins: [marksPlugin(view.marks), thresholdsPlugin(shown)],
      hooks: {
        setCursor: [(chart) => this.hover(chart, view, shown)],
        setSelect: [
          (chart) => {
            const { left, width: selected } = chart.select;
            if (selected < 4) return;
            view.zoom({ from: chart.posToVal(left, "x") * 1000, to: chart.posToVal(left + selected, "x") * 1000 });
            chart.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
          },
        ],
      },
    };
  }

  private hover(chart: uPlot, view: View, shown: readonly Line[]): void {
    const { idx, left = -1 } = chart.cursor;
    const { mode = "single", sort = "none" } = view.panel.options?.tooltip ?? {};
    // A crosshair that another chart moves shows no tooltip here.
    const isOwn = chart.over.matches(":hover");
    if (idx === null || idx === undefined || left < 0 || !isOwn || mode === "none") {
      this.tooltip.hidden = true;
      return;
    }
    let rows = shown
      .map((line, index) => ({ line, index, value: line.values[idx] ?? null }))
      .filter(({ line, value }) => value !== null && custom(line.field).hideFrom?.tooltip !== true);
    if (mode === "single") {
      const distance = (index: number) => {
        const drawn = chart.data[index + 1]?.[idx];
        const scale = shown[index]?.scale;
        return typeof drawn === "number" && scale !== undefined
          ? Math.abs(chart.valToPos(drawn, scale) - (chart.cursor.top ?? 0))
          : Infinity;
      };
      rows = [...rows].sort((a, b) => distance(a.index) - distance(b.index)).slice(0, 1);
    } else if (sort !== "none") {
      const sign = sort === "asc" ? 1 : -1;
      rows = [...rows].sort((a, b) => sign * ((a.value ?? 0) - (b.value ?? 0)));
    }
    fill(
      this.tooltip,
      h("header", {}, dateTime((this.times[idx] ?? 0) * 1000)),
      ...rows
        .slice(0, 24)
        .map(({ line, value }) =>
          h(
            "div",
            {},
            h("i", { style: `background:${line.color}` }),
            h("span", {}, line.field.title),
            h("b", {}, showText(value, line.field) + share(line, idx, shown)),
          ),
        ),
      rows.length === 0 && h("div", {}, h("span", {}, "no value")),
    );
    this.tooltip.hidden = false;
    placeTooltip(this.tooltip, chart);
  }
}

/** In a stack of 100 %, a value's share of it, beside the value. */
function share(line: Line, index: number, shown: readonly Line[]): string {
  if (custom(line.field).stacking?.mode !== "percent") return "";
  const group = layerOf(line).group;
  const total = shown
    .filter((other) => layerOf(other).group === group)
    .reduce((sum, { values }) => sum + Math.abs(values[index] ?? 0), 0);
  return total === 0 ? "" : ` (${fixed((Math.abs(line.values[index] ?? 0) / total) * 100, 1)}%)`;
}
