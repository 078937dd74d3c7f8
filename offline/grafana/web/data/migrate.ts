import type { FieldConfig, Mapping, Override, Panel, PanelOptions } from "../model.js";

/** The parts of the panel types before Grafana 7 that the preview reads. */
interface OldPanel extends Panel {
  readonly format?: string;
  readonly decimals?: number | null;
  readonly fill?: number;
  readonly linewidth?: number;
  readonly lines?: boolean;
  readonly bars?: boolean;
  readonly points?: boolean;
  readonly stack?: boolean;
  readonly percentage?: boolean;
  readonly steppedLine?: boolean;
  readonly nullPointMode?: string;
  readonly yaxes?: readonly {
    readonly format?: string;
    readonly min?: string | number | null;
    readonly max?: string | number | null;
    readonly label?: string | null;
  }[];
  readonly legend?: Readonly<Record<string, unknown>>;
  readonly tooltip?: { readonly shared?: boolean; readonly sort?: number };
  readonly aliasColors?: Readonly<Record<string, string>>;
  readonly valueName?: string;
  readonly valueMaps?: readonly { readonly value?: string; readonly text?: string }[];
  readonly thresholds?: unknown;
  readonly colors?: readonly string[];
  readonly colorBackground?: boolean;
  readonly colorValue?: boolean;
  readonly sparkline?: { readonly show?: boolean };
  readonly gauge?: { readonly show?: boolean; readonly minValue?: number; readonly maxValue?: number };
}

function optional(value: string | number | null | undefined): number | undefined {
  const number = value === null || value === undefined || value === "" ? NaN : Number(value);
  return Number.isFinite(number) ? number : undefined;
}

function graph(panel: OldPanel): Panel {
  const [axis = {}] = panel.yaxes ?? [];
  const [min, max] = [optional(axis.min), optional(axis.max)];
  const legend = panel.legend ?? {};
  const calcs = (
    [
      ["current", "lastNotNull"],
      ["min", "min"],
      ["max", "max"],
      ["avg", "mean"],
      ["total", "sum"],
    ] as const
  )
    .filter(([name]) => legend.values === true && legend[name] === true)
    .map(([, calc]) => calc);
  const defaults: FieldConfig = {
    color: { mode: "palette-classic" },
    unit: axis.format ?? "short",
    ...(min === undefined ? {} : { min }),
    ...(max === undefined ? {} : { max }),
    custom: {
      drawStyle: panel.bars === true ? "bars" : panel.lines === false ? "points" : "line",
      lineWidth: panel.linewidth ?? 1,
      fillOpacity: (panel.fill ?? 1) * 10,
      showPoints: panel.points === true ? "always" : "never",
      lineInterpolation: panel.steppedLine === true ? "stepAfter" : "linear",
      spanNulls: panel.nullPointMode === "connected",
      stacking: { mode: panel.stack === true ? (panel.percentage === true ? "percent" : "normal") : "none" },
      axisLabel: axis.label ?? "",
    },
  };
  const overrides = Object.entries(panel.aliasColors ?? {}).map(([name, fixedColor]): Override => ({
    matcher: { id: "byName", options: name },
    properties: [{ id: "color", value: { mode: "fixed", fixedColor } }],
  }));
  const options: PanelOptions = {
    legend: {
      showLegend: legend.show !== false,
      displayMode: legend.alignAsTable === true ? "table" : "list",
      placement: legend.rightSide === true ? "right" : "bottom",
      calcs,
    },
    tooltip: {
      mode: panel.tooltip?.shared === false ? "single" : "multi",
      sort: panel.tooltip?.sort === 2 ? "desc" : "none",
    },
  };
  return { ...panel, type: "timeseries", fieldConfig: { defaults, overrides }, options };
}

function singlestat(panel: OldPanel): Panel {
  const limits =
    typeof panel.thresholds === "string" && panel.thresholds !== "" ? panel.thresholds.split(",").map(Number) : [];
  const colors = panel.colors ?? ["#299c46", "rgba(237, 129, 40, 0.89)", "#d44a3a"];
  const texts = Object.fromEntries((panel.valueMaps ?? []).map(({ value = "", text = "" }) => [value, { text }]));
  const mappings: Mapping[] = Object.keys(texts).length === 0 ? [] : [{ type: "value", options: texts }];
  const defaults: FieldConfig = {
    unit: panel.format ?? "none",
    ...(panel.decimals === undefined || panel.decimals === null ? {} : { decimals: panel.decimals }),
    mappings,
    thresholds: {
      mode: "absolute",
      steps: [
        { value: null, color: colors[0] ?? "green" },
        ...limits.map((value, index) => ({ value, color: colors[index + 1] ?? "red" })),
      ],
    },
    ...(panel.gauge?.show === true ? { min: panel.gauge.minValue ?? 0, max: panel.gauge.maxValue ?? 100 } : {}),
  };
  const options: PanelOptions = {
    reduceOptions: { calcs: [panel.valueName ?? "mean"] },
    colorMode: panel.colorBackground === true ? "background_solid" : panel.colorValue === true ? "value" : "none",
    graphMode: panel.sparkline?.show === true ? "area" : "none",
    // A single figure: the panel's title says what it is.
    textMode: "value",
  };
  return {
    ...panel,
    type: panel.gauge?.show === true ? "gauge" : "stat",
    fieldConfig: { defaults, overrides: [] },
    options,
  };
}

/** Brings panel types that Grafana itself replaces on loading to what they are today. */
export function migrate(panel: Panel): Panel {
  if (panel.type === "graph") return graph(panel);
  if (panel.type === "singlestat" || panel.type === "grafana-singlestat-panel") return singlestat(panel);
  if (panel.type === "table-old") return { ...panel, type: "table" };
  return panel;
}
