import type * as cog from "@grafana/grafana-foundation-sdk/cog";
import * as common from "@grafana/grafana-foundation-sdk/common";
import * as dashboard from "@grafana/grafana-foundation-sdk/dashboard";
import * as heatmap from "@grafana/grafana-foundation-sdk/heatmap";
import * as prometheus from "@grafana/grafana-foundation-sdk/prometheus";
import * as stat from "@grafana/grafana-foundation-sdk/stat";
import * as statetimeline from "@grafana/grafana-foundation-sdk/statetimeline";
import * as timeseries from "@grafana/grafana-foundation-sdk/timeseries";

/** The data source that the dashboard's variable `datasource` chooses. */
export const DATA_SOURCE: common.DataSourceRef = { type: "prometheus", uid: "${datasource}" };

/** What every panel must have. */
export interface PanelFacts {
  readonly title: string;
  /** What the panel shows and how to read it: shown behind the panel's (i). */
  readonly description: string;
  /** A unit of `@grafana/grafana-foundation-sdk/units`. */
  readonly unit: string;
  /** Width in columns of 24. */
  readonly width: number;
  /** Height in grid rows. Default 8. */
  readonly height?: number;
  readonly queries: readonly QueryFacts[];
}

export interface QueryFacts {
  readonly expr: string;
  /** Name of a series, with Grafana's `{{label}}`. */
  readonly legend: string;
}

type QueryKind = "range" | "instant" | "heatmap";

interface AnyPanelBuilder {
  title(text: string): this;
  description(text: string): this;
  unit(unit: string): this;
  datasource(source: common.DataSourceRef): this;
  span(columns: number): this;
  height(rows: number): this;
  targets(targets: cog.Builder<cog.Dataquery>[]): this;
}

function described<B extends AnyPanelBuilder>(builder: B, facts: PanelFacts, kind: QueryKind): B {
  return builder
    .title(facts.title)
    .description(facts.description)
    .unit(facts.unit)
    .datasource(DATA_SOURCE)
    .span(facts.width)
    .height(facts.height ?? 8)
    .targets(facts.queries.map((facts, index) => query(facts, String.fromCharCode(65 + index), kind)));
}

function query(facts: QueryFacts, refId: string, kind: QueryKind): prometheus.DataqueryBuilder {
  const builder = new prometheus.DataqueryBuilder()
    .refId(refId)
    .datasource(DATA_SOURCE)
    .editorMode(prometheus.QueryEditorMode.Code)
    .expr(facts.expr)
    .legendFormat(facts.legend);
  if (kind === "instant") return builder.instant();
  return kind === "heatmap" ? builder.range().format(prometheus.PromQueryFormat.Heatmap) : builder.range();
}

/** Lines over time; a gap in the data stays a gap. */
export function lines(facts: PanelFacts): timeseries.PanelBuilder {
  return described(new timeseries.PanelBuilder(), facts, "range")
    .min(0)
    .lineWidth(1)
    .fillOpacity(10)
    .showPoints(common.VisibilityMode.Auto)
    .colorScheme(new dashboard.FieldColorBuilder().mode(dashboard.FieldColorModeId.PaletteClassicByName))
    .tooltip(
      new common.VizTooltipOptionsBuilder().mode(common.TooltipDisplayMode.Multi).sort(common.SortOrder.Descending),
    )
    .legend(
      new common.VizLegendOptionsBuilder()
        .showLegend(true)
        .displayMode(common.LegendDisplayMode.Table)
        .placement(common.LegendPlacement.Bottom)
        .calcs(["mean", "max", "lastNotNull"]),
    );
}

/** Stacked areas: for parts of a whole. */
export function stack(facts: PanelFacts): timeseries.PanelBuilder {
  return lines(facts)
    .fillOpacity(60)
    .lineWidth(0)
    .stacking(new common.StackingConfigBuilder().mode(common.StackingMode.Normal).group("A"));
}

/** Bars: for occasional events. */
export function bars(facts: PanelFacts): timeseries.PanelBuilder {
  return lines(facts)
    .drawStyle(common.GraphDrawStyle.Bars)
    .fillOpacity(60)
    .stacking(new common.StackingConfigBuilder().mode(common.StackingMode.Normal).group("A"));
}

/** The current value of each series as a tile. */
export function tiles(facts: PanelFacts): stat.PanelBuilder {
  return described(new stat.PanelBuilder(), facts, "instant")
    .reduceOptions(new common.ReduceDataOptionsBuilder().calcs(["lastNotNull"]).values(false))
    .graphMode(common.BigValueGraphMode.None)
    .textMode(common.BigValueTextMode.ValueAndName)
    .colorMode(common.BigValueColorMode.None)
    .orientation(common.VizOrientation.Auto);
}

/** Each series as a bar of coloured states over time. */
export function states(facts: PanelFacts): statetimeline.PanelBuilder {
  return described(new statetimeline.PanelBuilder(), facts, "range")
    .mergeValues(true)
    .showValue(common.VisibilityMode.Auto)
    .rowHeight(0.9)
    .legend(new common.VizLegendOptionsBuilder().showLegend(false).displayMode(common.LegendDisplayMode.List));
}

/** Distribution of a histogram's observations over its buckets. */
export function buckets(facts: PanelFacts): heatmap.PanelBuilder {
  return described(new heatmap.PanelBuilder(), facts, "heatmap")
    .calculate(false)
    .color(
      new heatmap.HeatmapColorOptionsBuilder()
        .mode(heatmap.HeatmapColorMode.Scheme)
        .scheme("Oranges")
        .steps(64)
        .exponent(0.5),
    )
    .yAxis(new heatmap.YAxisConfigBuilder().unit(facts.unit).axisPlacement(common.AxisPlacement.Left))
    .cellGap(1)
    .showLegend();
}

/** Colours by value: green from the bottom, then each step's colour from its value on. */
export function thresholds(...steps: readonly [from: number, color: string][]): dashboard.ThresholdsConfigBuilder {
  return new dashboard.ThresholdsConfigBuilder()
    .mode(dashboard.ThresholdsMode.Absolute)
    .steps([{ value: null, color: "green" }, ...steps.map(([value, color]) => ({ value, color }))]);
}

/** Colours by remaining time: red at the bottom, orange from `critical` on, green from `warning` on. */
export function leftThresholds({ warning, critical }: TimeLeft): dashboard.ThresholdsConfigBuilder {
  return new dashboard.ThresholdsConfigBuilder().mode(dashboard.ThresholdsMode.Absolute).steps([
    { value: null, color: "red" },
    { value: critical, color: "orange" },
    { value: warning, color: "green" },
  ]);
}

/** Remaining seconds at which somebody has to act: during the day, or at once. */
export interface TimeLeft {
  readonly warning: number;
  readonly critical: number;
}

/** Colours and words of `up`. */
export const UP_OR_DOWN: dashboard.ValueMapping[] = [
  {
    type: dashboard.MappingType.ValueToText,
    options: {
      "0": { text: "DOWN", color: "red", index: 0 },
      "1": { text: "UP", color: "green", index: 1 },
    },
  },
];

/** Colours and words of an agent's log-in. */
export const IN_OR_OUT: dashboard.ValueMapping[] = [
  {
    type: dashboard.MappingType.ValueToText,
    options: {
      "0": { text: "OUT", color: "red", index: 0 },
      "1": { text: "LOGGED IN", color: "green", index: 1 },
    },
  },
];

/** Thresholds of `up`: red unless 1. */
export function upThresholds(): dashboard.ThresholdsConfigBuilder {
  return new dashboard.ThresholdsConfigBuilder().mode(dashboard.ThresholdsMode.Absolute).steps([
    { value: null, color: "red" },
    { value: 1, color: "green" },
  ]);
}
