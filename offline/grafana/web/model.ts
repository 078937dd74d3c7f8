/** The parts of Grafana's dashboard model that the preview reads. Everything may be missing: dashboards are written by hand too. */

export interface Threshold {
  readonly value: number | null;
  readonly color: string;
}

export interface MappingResult {
  readonly text?: string;
  readonly color?: string;
}

export type Mapping =
  | { readonly type: "value"; readonly options: Readonly<Record<string, MappingResult>> }
  | {
      readonly type: "range";
      readonly options: { readonly from: number | null; readonly to: number | null; readonly result: MappingResult };
    }
  | { readonly type: "regex"; readonly options: { readonly pattern: string; readonly result: MappingResult } }
  | { readonly type: "special"; readonly options: { readonly match: string; readonly result: MappingResult } };

/** How one field is drawn by time series and state time lines. */
export interface CustomConfig {
  readonly drawStyle?: "line" | "bars" | "points";
  readonly lineWidth?: number;
  readonly lineInterpolation?: "linear" | "smooth" | "stepBefore" | "stepAfter";
  readonly lineStyle?: { readonly fill?: string; readonly dash?: readonly number[] };
  readonly fillOpacity?: number;
  readonly gradientMode?: string;
  readonly showPoints?: "auto" | "never" | "always";
  readonly pointSize?: number;
  readonly spanNulls?: boolean | number;
  readonly stacking?: { readonly mode?: "none" | "normal" | "percent"; readonly group?: string };
  readonly axisPlacement?: "auto" | "left" | "right" | "hidden";
  readonly axisLabel?: string;
  readonly axisSoftMin?: number;
  readonly axisSoftMax?: number;
  readonly scaleDistribution?: { readonly type?: "linear" | "log" | "symlog"; readonly log?: number };
  readonly thresholdsStyle?: { readonly mode?: string };
  readonly hideFrom?: { readonly viz?: boolean; readonly legend?: boolean; readonly tooltip?: boolean };
  readonly transform?: "constant" | "negative-Y";
  readonly width?: number;
  readonly align?: "auto" | "left" | "center" | "right";
  readonly cellOptions?: { readonly type?: string; readonly mode?: string };
}

export interface FieldConfig {
  readonly displayName?: string;
  readonly displayNameFromDS?: string;
  readonly unit?: string;
  readonly decimals?: number | null;
  readonly min?: number | null;
  readonly max?: number | null;
  readonly noValue?: string;
  readonly color?: { readonly mode?: string; readonly fixedColor?: string; readonly seriesBy?: string };
  readonly thresholds?: { readonly mode?: "absolute" | "percentage"; readonly steps?: readonly Threshold[] };
  readonly mappings?: readonly Mapping[];
  readonly links?: readonly { readonly title?: string; readonly url?: string; readonly targetBlank?: boolean }[];
  readonly custom?: CustomConfig;
}

export interface Override {
  readonly matcher: { readonly id: string; readonly options?: unknown };
  readonly properties: readonly { readonly id: string; readonly value?: unknown }[];
}

export interface SourceRef {
  readonly uid?: string;
  readonly type?: string;
}

export interface Target {
  readonly refId?: string;
  readonly datasource?: SourceRef | string | null;
  readonly expr?: string;
  readonly legendFormat?: string;
  readonly format?: string;
  readonly instant?: boolean;
  readonly range?: boolean;
  readonly interval?: string;
  readonly step?: number;
  readonly hide?: boolean;
}

export interface Transformation {
  readonly id: string;
  readonly options?: Readonly<Record<string, unknown>>;
  readonly disabled?: boolean;
}

export interface GridPos {
  readonly x: number;
  readonly y: number;
  readonly w: number;
  readonly h: number;
}

export interface ReduceOptions {
  readonly calcs?: readonly string[];
  readonly values?: boolean;
  readonly fields?: string;
  readonly limit?: number;
}

export interface LegendOptions {
  readonly showLegend?: boolean;
  readonly displayMode?: "list" | "table" | "hidden";
  readonly placement?: "bottom" | "right";
  readonly calcs?: readonly string[];
}

/** Options of all panel types in one; each type reads its own. */
export interface PanelOptions {
  readonly legend?: LegendOptions & { readonly show?: boolean };
  readonly tooltip?: { readonly mode?: "single" | "multi" | "none"; readonly sort?: "none" | "asc" | "desc" };
  readonly reduceOptions?: ReduceOptions;
  readonly orientation?: "auto" | "horizontal" | "vertical";
  readonly colorMode?: string;
  readonly graphMode?: string;
  readonly textMode?: string;
  readonly justifyMode?: string;
  readonly displayMode?: string;
  readonly showThresholdLabels?: boolean;
  readonly showThresholdMarkers?: boolean;
  readonly mode?: string;
  readonly content?: string;
  readonly showHeader?: boolean;
  readonly sortBy?: readonly { readonly displayName: string; readonly desc?: boolean }[];
  readonly rowHeight?: number;
  readonly mergeValues?: boolean;
  readonly showValue?: string;
  readonly calculate?: boolean;
  readonly color?: {
    readonly scheme?: string;
    readonly reverse?: boolean;
    readonly exponent?: number;
    readonly mode?: string;
    readonly fill?: string;
  };
  readonly yAxis?: { readonly unit?: string; readonly decimals?: number };
  readonly filterValues?: { readonly le?: number };
  readonly cellGap?: number;
}

export interface Panel {
  readonly id?: number;
  readonly type: string;
  readonly title?: string;
  readonly description?: string;
  readonly transparent?: boolean;
  readonly gridPos?: Partial<GridPos>;
  readonly datasource?: SourceRef | string | null;
  readonly targets?: readonly Target[];
  readonly fieldConfig?: { readonly defaults?: FieldConfig; readonly overrides?: readonly Override[] };
  readonly options?: PanelOptions;
  readonly transformations?: readonly Transformation[];
  readonly interval?: string | null;
  readonly maxDataPoints?: number | null;
  readonly timeFrom?: string | null;
  readonly links?: readonly { readonly title?: string; readonly url?: string; readonly targetBlank?: boolean }[];
  readonly repeat?: string;
  readonly repeatDirection?: "h" | "v";
  readonly maxPerRow?: number;
  readonly collapsed?: boolean;
  readonly panels?: readonly Panel[];
  readonly libraryPanel?: unknown;
}

export interface VariableModel {
  readonly name: string;
  readonly type: string;
  readonly label?: string | null;
  readonly hide?: number;
  readonly datasource?: SourceRef | string | null;
  readonly query?: unknown;
  readonly definition?: string;
  readonly regex?: string;
  readonly sort?: number;
  readonly refresh?: number;
  readonly multi?: boolean;
  readonly includeAll?: boolean;
  readonly allValue?: string | null;
  readonly current?: { readonly text?: unknown; readonly value?: unknown };
  readonly options?: readonly { readonly text?: unknown; readonly value?: unknown }[];
  readonly auto?: boolean;
}

export interface AnnotationQuery {
  readonly name?: string;
  readonly enable?: boolean;
  readonly hide?: boolean;
  readonly builtIn?: number;
  readonly datasource?: SourceRef | string | null;
  readonly iconColor?: string;
  readonly expr?: string;
  readonly step?: string;
  readonly useValueForTime?: boolean | string;
  readonly titleFormat?: string;
  readonly textFormat?: string;
  readonly tagKeys?: string;
  readonly target?: {
    readonly tags?: readonly string[];
    readonly matchAny?: boolean;
    readonly type?: string;
    readonly limit?: number;
    readonly expr?: string;
  };
}

export interface DashboardLink {
  readonly title?: string;
  readonly type?: string;
  readonly url?: string;
  readonly tags?: readonly string[];
  readonly targetBlank?: boolean;
  readonly keepTime?: boolean;
  readonly includeVars?: boolean;
  readonly tooltip?: string;
}

export interface DashboardModel {
  readonly uid: string;
  readonly title: string;
  readonly description?: string;
  readonly tags?: readonly string[];
  readonly panels?: readonly Panel[];
  readonly templating?: { readonly list?: readonly VariableModel[] };
  readonly annotations?: { readonly list?: readonly AnnotationQuery[] };
  readonly links?: readonly DashboardLink[];
  readonly time?: { readonly from?: string; readonly to?: string };
  readonly timezone?: string;
  readonly refresh?: string | boolean;
  readonly timepicker?: { readonly refresh_intervals?: readonly string[] };
  readonly graphTooltip?: number;
  readonly style?: string;
}
