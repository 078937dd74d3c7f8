import { BarGauge, Gauge } from "./gauges.js";
import { Heatmap } from "./heatmap.js";
import type { DrawingFactory } from "./panel.js";
import { Stat } from "./stat.js";
import { StateTimeline } from "./statetimeline.js";
import { Table } from "./table.js";
import { Text } from "./text.js";
import { Timeseries } from "./timeseries.js";

/** The kinds of panels that the preview can draw. */
export const DRAWINGS: Readonly<Record<string, DrawingFactory>> = {
  timeseries: (element) => new Timeseries(element),
  stat: (element) => new Stat(element),
  gauge: (element) => new Gauge(element),
  bargauge: (element) => new BarGauge(element),
  table: (element) => new Table(element),
  heatmap: (element) => new Heatmap(element),
  "state-timeline": (element) => new StateTimeline(element),
  text: (element) => new Text(element),
};
