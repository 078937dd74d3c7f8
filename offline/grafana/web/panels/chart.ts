import type uPlot from "uplot";
import type { Mark } from "../data/annotations.js";
import type { Range } from "../data/time.js";
import { withAlpha } from "../palette.js";
import { dateTime } from "../units.js";

export interface ChartColors {
  readonly text: string;
  readonly grid: string;
}

export function chartColors(isDark: boolean): ChartColors {
  return isDark
    ? { text: "#a3abb8", grid: "rgba(204, 214, 232, 0.08)" }
    : { text: "#5c6470", grid: "rgba(30, 40, 60, 0.09)" };
}

const FONT = '11px system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif';

const two = (value: number) => String(value).padStart(2, "0");

/** Labels of the time axis: seconds only where the steps need them, the date where the day changes. */
function timeLabels(splits: readonly number[], increment: number): string[] {
  let day = "";
  return splits.map((second, index) => {
    const date = new Date(second * 1000);
    const clock = `${two(date.getHours())}:${two(date.getMinutes())}${increment < 60 ? `:${two(date.getSeconds())}` : ""}`;
    const today = `${two(date.getMonth() + 1)}-${two(date.getDate())}`;
    const isNew = today !== day && index > 0;
    day = today;
    if (increment >= 86400) return today;
    return isNew ? `${today} ${clock}` : clock;
  });
}

export function timeAxis(colors: ChartColors): uPlot.Axis {
  return {
    stroke: colors.text,
    font: FONT,
    size: 26,
    gap: 4,
    space: 76,
    grid: { stroke: colors.grid, width: 1 },
    ticks: { show: false },
    values: (_chart, splits, _axis, _space, increment) => timeLabels(splits, increment),
  };
}

/** An axis of values; `format` writes its labels. Its width follows the longest of them. */
export function valueAxis(
  colors: ChartColors,
  scale: string,
  isRight: boolean,
  format: (values: number[]) => string[],
  label = "",
): uPlot.Axis {
  return {
    scale,
    side: isRight ? 1 : 3,
    stroke: colors.text,
    font: FONT,
    gap: 6,
    space: 32,
    ...(label === "" ? {} : { label, labelFont: FONT, labelSize: 18 }),
    grid: { show: !isRight, stroke: colors.grid, width: 1 },
    ticks: { show: false },
    values: (_chart, splits) => format(splits),
    size: (_chart, values) => 14 + Math.max(18, ...(values ?? []).map((text) => String(text ?? "").length * 6.3)),
  };
}

/** The x scale is the panel's range, not what the data happens to cover. */
export function timeScale(range: Range): uPlot.Scale {
  return { time: true, auto: false, range: [range.from / 1000, range.to / 1000] };
}

/** Draws marks as dashed lines or bands over the whole height, with a handle below that tells more. */
export function marksPlugin(marks: readonly Mark[]): uPlot.Plugin {
  const handles: HTMLElement[] = [];
  return {
    hooks: {
      draw: (chart) => {
        const { ctx, bbox } = chart;
        const ratio = devicePixelRatio;
        ctx.save();
        for (const handle of handles.splice(0)) handle.remove();
        for (const mark of marks) {
          const left = chart.valToPos(mark.time / 1000, "x", true);
          const right = chart.valToPos(mark.end / 1000, "x", true);
          if (right < bbox.left || left > bbox.left + bbox.width) continue;
          if (right - left > 2) {
            ctx.fillStyle = withAlpha(mark.color, 0.1);
            ctx.fillRect(
              Math.max(left, bbox.left),
              bbox.top,
              Math.min(right, bbox.left + bbox.width) - Math.max(left, bbox.left),
              bbox.height,
            );
          }
          ctx.strokeStyle = mark.color;
          ctx.lineWidth = ratio;
          ctx.setLineDash([4 * ratio, 3 * ratio]);
          ctx.beginPath();
          ctx.moveTo(left, bbox.top);
          ctx.lineTo(left, bbox.top + bbox.height);
          ctx.stroke();
          const handle = document.createElement("div");
          handle.className = "mark";
          handle.style.left = `${(left - bbox.left) / ratio}px`;
          handle.style.borderBottomColor = mark.color;
          handle.title = [mark.title, mark.text, mark.tags.join(", "), dateTime(mark.time)]
            .filter((line) => line !== "")
            .join("\n");
          chart.over.append(handle);
          handles.push(handle);
        }
        ctx.restore();
      },
    },
  };
}

/** Places a tooltip beside the cursor, inside the window. */
export function placeTooltip(tooltip: HTMLElement, chart: uPlot): void {
  const box = chart.over.getBoundingClientRect();
  const x = box.left + (chart.cursor.left ?? 0);
  const y = box.top + (chart.cursor.top ?? 0);
  const { offsetWidth, offsetHeight } = tooltip;
  const left = x + 16 + offsetWidth > innerWidth ? x - offsetWidth - 16 : x + 16;
  tooltip.style.left = `${Math.max(4, left)}px`;
  tooltip.style.top = `${Math.max(4, Math.min(y + 12, innerHeight - offsetHeight - 8))}px`;
}
