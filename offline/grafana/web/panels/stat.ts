import uPlot from "uplot";
import { show, type Shown } from "../data/fields.js";
import { fill, h } from "../dom.js";
import { readableOn, withAlpha } from "../palette.js";
import { type Figure, figures, nothing } from "./figures.js";
import type { Drawing, View } from "./panel.js";

/** How many columns make the most of a box for `count` tiles. */
function columnsFor(count: number, width: number, height: number, orientation: string): number {
  if (orientation === "horizontal") return 1;
  if (orientation === "vertical") return count;
  let best = { columns: 1, side: 0 };
  for (let columns = 1; columns <= count; columns++) {
    const tile = { width: width / columns, height: height / Math.ceil(count / columns) };
    const side = Math.min(tile.width, tile.height * 2.6);
    if (side > best.side + 0.5) best = { columns, side };
  }
  return best.columns;
}

/** Big figures with or without a spark line. */
export class Stat implements Drawing {
  private sparks: uPlot[] = [];

  constructor(private readonly element: HTMLElement) {
    element.classList.add("stat");
  }

  draw({ panel, data }: View): void {
    this.close();
    const found = figures(panel, data);
    const list = found.length > 0 ? found : [nothing(panel)];
    const {
      orientation = "auto",
      colorMode = "value",
      graphMode = "area",
      textMode = "auto",
      justifyMode = "auto",
    } = panel.options ?? {};
    const { clientWidth, clientHeight } = this.element;
    const columns = columnsFor(list.length, clientWidth, clientHeight, orientation);
    const rows = Math.ceil(list.length / columns);
    this.element.style.gridTemplateColumns = `repeat(${columns}, 1fr)`;
    this.element.style.gridTemplateRows = `repeat(${rows}, 1fr)`;
    const tile = { width: clientWidth / columns - 4, height: clientHeight / rows - 4 };
    const isSparked = graphMode === "area" && tile.height > 60 && list.some(({ series }) => series.length > 2);
    // The spark line has the lower third to itself.
    const box = isSparked ? { ...tile, height: tile.height * 0.68 } : tile;
    const withName = textMode === "name" || textMode === "value_and_name" || (textMode === "auto" && list.length > 1);
    const shown = list.map((figure) => show(figure.value, figure.field));
    // All figures of a panel in one size: the longest one decides.
    const longest = Math.max(
      ...shown.map(({ prefix, text, suffix }) => prefix.length + text.length + suffix.length * 0.7),
      1,
    );
    const longestName = withName ? Math.max(...list.map(({ title }) => title.length), 1) : 1;
    const valueSize = Math.max(
      13,
      Math.min((box.width - 20) / (longest * 0.62), box.height * (withName ? 0.46 : 0.6), 78),
    );
    const nameSize = Math.max(11, Math.min((box.width - 20) / (longestName * 0.56), box.height * 0.2, 22));
    const sizes = {
      valueSize,
      nameSize,
      isCentered: justifyMode === "center" || (justifyMode === "auto" && list.length === 1),
    };
    fill(
      this.element,
      ...list.map((figure, index) =>
        this.tile(figure, shown[index] ?? show(null, figure.field), {
          colorMode,
          textMode,
          withName,
          isSparked,
          tile,
          ...sizes,
        }),
      ),
    );
  }

  close(): void {
    for (const spark of this.sparks.splice(0)) spark.destroy();
  }

  private tile(
    figure: Figure,
    { prefix, text, suffix, color }: Shown,
    how: {
      colorMode: string;
      textMode: string;
      withName: boolean;
      isSparked: boolean;
      tile: { width: number; height: number };
      valueSize: number;
      nameSize: number;
      isCentered: boolean;
    },
  ): HTMLElement {
    const { colorMode, textMode, withName, isSparked } = how;
    const isBackground = colorMode.startsWith("background") && figure.value !== null;
    const ink = isBackground
      ? readableOn(color)
      : colorMode === "value" || figure.value === null
        ? color
        : "var(--text)";
    const background = !isBackground
      ? ""
      : colorMode === "background_solid"
        ? `background:${color};`
        : `background:linear-gradient(120deg, ${color}, ${withAlpha(color, 0.72)});`;
    const tile = h(
      "div",
      {
        class: `tile${how.isCentered ? " centered" : ""}${isBackground ? " filled" : ""}${isSparked ? " sparked" : ""}`,
        style: `${background}color:${ink}`,
        title: figure.title,
      },
      withName &&
        figure.title !== "" &&
        h("div", { class: "name", style: `font-size:${how.nameSize}px` }, figure.title),
      textMode !== "name" &&
        textMode !== "none" &&
        h(
          "div",
          { class: "value", style: `font-size:${how.valueSize}px` },
          prefix !== "" && h("small", {}, prefix),
          text,
          suffix !== "" && h("small", {}, suffix),
        ),
    );
    if (isSparked && figure.series.length > 2) {
      const spark = h("div", { class: "spark" });
      tile.append(spark);
      this.spark(spark, figure, isBackground ? ink : color, how.tile.width, how.tile.height * 0.32);
    }
    return tile;
  }

  private spark(element: HTMLElement, figure: Figure, color: string, width: number, height: number): void {
    const options: uPlot.Options = {
      width: Math.floor(width),
      height: Math.floor(height),
      padding: [2, 0, 0, 0],
      legend: { show: false },
      cursor: { show: false },
      axes: [{ show: false }, { show: false }],
      scales: { x: { time: true } },
      series: [{}, { stroke: color, width: 1, fill: withAlpha(color, 0.18), points: { show: false } }],
    };
    this.sparks.push(new uPlot(options, [figure.times.map((time) => time / 1000), [...figure.series]], element));
  }
}
