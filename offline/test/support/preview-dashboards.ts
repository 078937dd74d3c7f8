/** Dashboards for the tests of the preview's pages: small relatives of the project's own, and one panel of every kind. */

const prometheus = { type: "prometheus", uid: "prometheus" };
const query = (expr: string, legendFormat: string, more: object = {}) => ({
  refId: "A",
  datasource: prometheus,
  expr,
  legendFormat,
  ...more,
});
const legend = { showLegend: true, displayMode: "table", placement: "bottom", calcs: ["mean", "lastNotNull"] };
const upDown = {
  mappings: [{ type: "value", options: { "0": { text: "DOWN", color: "red" }, "1": { text: "UP", color: "green" } } }],
  thresholds: {
    mode: "absolute",
    steps: [
      { value: null, color: "red" },
      { value: 1, color: "green" },
    ],
  },
};

export const SERVICE = {
  uid: "service",
  title: "Service",
  tags: ["audit"],
  graphTooltip: 1,
  time: { from: "now-1h", to: "now" },
  templating: {
    list: [
      {
        name: "replica",
        label: "Instance",
        type: "query",
        datasource: prometheus,
        query: 'label_values(up{job="audit-svc"}, replica)',
        multi: true,
        includeAll: true,
        allValue: ".*",
        refresh: 2,
        sort: 1,
        current: { text: ["All"], value: ["$__all"] },
      },
    ],
  },
  annotations: {
    list: [
      {
        name: "Releases",
        enable: true,
        datasource: prometheus,
        iconColor: "purple",
        expr: '1000 * min by (release) (process_start_time_seconds{release="1.5.0"})',
        step: "15s",
        useValueForTime: true,
        titleFormat: "Release {{release}}",
      },
    ],
  },
  panels: [
    {
      type: "timeseries",
      title: "Events per second",
      gridPos: { x: 0, y: 0, w: 12, h: 8 },
      fieldConfig: { defaults: { unit: "eps", min: 0, custom: { fillOpacity: 10 } } },
      options: { legend, tooltip: { mode: "multi", sort: "desc" } },
      targets: [
        query(
          'sum by (exported_application) (rate(audit_events_total{replica=~"$replica"}[$__rate_interval]))',
          "{{exported_application}}",
        ),
      ],
    },
    {
      type: "timeseries",
      title: "Response codes",
      gridPos: { x: 12, y: 0, w: 12, h: 8 },
      fieldConfig: {
        defaults: {
          unit: "reqps",
          custom: { fillOpacity: 60, lineWidth: 0, stacking: { mode: "percent", group: "A" } },
        },
      },
      options: { legend, tooltip: { mode: "multi" } },
      targets: [query('sum by (code) (rate(http_requests_total{replica=~"$replica"}[$__rate_interval]))', "{{code}}")],
    },
    {
      type: "stat",
      title: "Status",
      gridPos: { x: 0, y: 8, w: 8, h: 5 },
      fieldConfig: { defaults: upDown },
      options: { colorMode: "background_solid", graphMode: "none", textMode: "auto" },
      targets: [
        query('sort_desc(up{job="audit-svc",replica=~"$replica"})', "{{replica}}", { instant: true, range: false }),
      ],
    },
    {
      type: "state-timeline",
      title: "Over time",
      gridPos: { x: 8, y: 8, w: 16, h: 5 },
      fieldConfig: { defaults: upDown },
      targets: [query('up{job="audit-svc",replica=~"$replica"}', "{{replica}}")],
    },
  ],
};

const at = (index: number, title: string, type: string, more: object) => ({
  id: index + 1,
  type,
  title,
  gridPos: { x: (index % 4) * 6, y: Math.floor(index / 4) * 6, w: 6, h: 6 },
  ...more,
});
const perSender = (legendFormat = "{{exported_application}}", more: object = {}) => [
  query("sum by (exported_application) (rate(audit_events_total[5m]))", legendFormat, more),
];

export const KINDS = {
  uid: "kinds",
  title: "Kinds",
  time: { from: "now-1h", to: "now" },
  templating: {
    list: [
      {
        name: "app",
        type: "query",
        datasource: "Prometheus",
        query: "label_values(audit_events_total, exported_application)",
        multi: true,
        includeAll: true,
      },
      { name: "strange", type: "query", datasource: "Prometheus", query: "something(else)" },
    ],
  },
  panels: [
    at(0, "Gauge", "gauge", {
      fieldConfig: { defaults: { unit: "percentunit", min: 0, max: 1 } },
      targets: [query("rate(process_cpu_seconds_total[5m])", "{{replica}}", { instant: true })],
    }),
    at(1, "Bars", "bargauge", {
      options: { orientation: "horizontal" },
      targets: perSender(undefined, { instant: true }),
    }),
    at(2, "Table", "table", {
      transformations: [
        {
          id: "organize",
          options: {
            excludeByName: {
              Time: true,
              job: true,
              application: true,
              environment: true,
              instance: true,
              release: true,
            },
            indexByName: { exported_application: 0, replica: 1 },
            renameByName: { exported_application: "Sender" },
          },
        },
      ],
      targets: [query("rate(audit_events_total[5m])", "", { format: "table", instant: true })],
    }),
    at(3, "Heat", "heatmap", {
      options: { color: { scheme: "Oranges" }, yAxis: { unit: "s" } },
      targets: [
        query("sum by (le) (increase(http_request_duration_seconds_bucket[$__rate_interval]))", "{{le}}", {
          format: "heatmap",
        }),
      ],
    }),
    at(4, "Percent", "timeseries", {
      fieldConfig: { defaults: { custom: { fillOpacity: 80, stacking: { mode: "percent" } } } },
      targets: perSender(),
    }),
    at(5, "Stacked bars", "timeseries", {
      fieldConfig: { defaults: { custom: { drawStyle: "bars", fillOpacity: 80, stacking: { mode: "normal" } } } },
      maxDataPoints: 40,
      targets: perSender(),
    }),
    at(6, "", "text", {
      options: { mode: "markdown", content: "**Note** on $app <script>alert(1)</script><img src=x onerror=alert(1)>" },
    }),
    at(7, "Spark", "stat", { fieldConfig: { defaults: { unit: "eps" } }, targets: perSender() }),
    at(8, "Broken query", "timeseries", { targets: [query("sum(rate(up[5m])", "")] }),
    at(9, "Pie", "piechart", { targets: perSender() }),
    at(10, "No source", "timeseries", { targets: [{ ...query("up", ""), datasource: { uid: "nowhere" } }] }),
    at(11, "Calculated", "timeseries", { transformations: [{ id: "calculateField" }], targets: perSender() }),
    at(12, "Empty", "timeseries", {
      fieldConfig: { defaults: { noValue: "nothing here" } },
      targets: [query("up{job='nobody'}", "")],
    }),
    {
      ...at(13, "Repeated for $app", "stat", {
        targets: [query('sum(rate(audit_events_total{exported_application="$app"}[5m]))', "")],
      }),
      repeat: "app",
      gridPos: { x: 0, y: 24, w: 24, h: 4 },
    },
  ],
};
