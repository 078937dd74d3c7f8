import type uPlot from "uplot";
import { steps } from "../data/fields.js";
import { custom, type Field } from "../data/frames.js";
import { cssColor, withAlpha } from "../palette.js";
import { formatText } from "../units.js";

/** The range of a value axis: what the fields set, else what is drawn with a little room; from 0 where nothing is below it. */
export function rangeOf(fields: readonly Field[], isPercent: boolean): uPlot.Range.Function {
  const set = (pick: (field: Field) => number | null | undefined) =>
    fields.map(pick).find((value) => typeof value === "number");
  const [min, max] = [set(({ config }) => config.min), set(({ config }) => config.max)];
  const [softMin, softMax] = [set((field) => custom(field).axisSoftMin), set((field) => custom(field).axisSoftMax)];
  return (_chart, low, high) => {
    if (isPercent) return [0, 100];
    let from = Math.min(low ?? 0, softMin ?? Infinity);
    let to = Math.max(high ?? 1, softMax ?? -Infinity);
    if (from >= 0 && from < to / 2) from = 0;
    if (to - from < 1e-12) [from, to] = to === 0 ? [0, 1] : [Math.min(from, 0), to + Math.abs(to) * 0.1];
    const room = (to - from) * 0.06;
    return [min ?? (from === 0 ? 0 : from - room), max ?? to + room];
  };
}

/** Labels of one axis share their number of digits, so that no two of them read the same. */
export function axisLabels(values: readonly number[], field: Field | undefined, isPercent: boolean): string[] {
  const unit = isPercent ? "percent" : field?.config.unit;
  const decimals = isPercent ? 0 : (field?.config.decimals ?? undefined);
  const first = values.map((value) => formatText(value, unit, decimals));
  if (decimals !== undefined || new Set(first).size === first.length) return first;
  return values.map((value) => formatText(value, unit, 2));
}

/** Steps of an axis that read as round figures in KiB and MiB. */
export const BINARY_STEPS = Array.from({ length: 60 }, (_, power) => 2 ** power);

export function isBinary(field: Field | undefined): boolean {
  return ["bytes", "bits", "kbytes", "mbytes", "binBps"].includes(field?.config.unit ?? "");
}

/** Limits as lines or coloured areas, where a field asks for them. */
export function thresholdsPlugin(shown: readonly { readonly field: Field; readonly scale: string }[]): uPlot.Plugin {
  return {
    hooks: {
      drawAxes: (chart) => {
        for (const { field, scale } of shown.slice(0, 1)) {
          const mode = custom(field).thresholdsStyle?.mode ?? "off";
          if (mode === "off") continue;
          const { ctx, bbox } = chart;
          ctx.save();
          ctx.beginPath();
          ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
          ctx.clip();
          const list = steps(field.config);
          list.forEach((step, index) => {
            if (step.value === null) return;
            const y = chart.valToPos(step.value, scale, true);
            const next = list[index + 1]?.value;
            if (mode.includes("area")) {
              const top = next === null || next === undefined ? bbox.top : chart.valToPos(next, scale, true);
              ctx.fillStyle = withAlpha(cssColor(step.color), 0.12);
              ctx.fillRect(bbox.left, top, bbox.width, y - top);
            }
            if (mode.includes("line") || mode.includes("dash")) {
              ctx.strokeStyle = withAlpha(cssColor(step.color), 0.8);
              ctx.lineWidth = devicePixelRatio;
              if (mode.includes("dash")) ctx.setLineDash([8 * devicePixelRatio, 6 * devicePixelRatio]);
              ctx.beginPath();
              ctx.moveTo(bbox.left, y);
              ctx.lineTo(bbox.left + bbox.width, y);
              ctx.stroke();
            }
          });
          ctx.restore();
        }
      },
    },
  };
}
