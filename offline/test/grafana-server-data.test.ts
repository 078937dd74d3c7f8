import assert from "node:assert/strict";
import { legendOf } from "../grafana/server/prometheus.js";
import { readSettings, SettingError, subPath } from "../grafana/server/settings.js";
import { configure, seriesColor, show, showText } from "../grafana/web/data/fields.js";
import type { Field, Frame } from "../grafana/web/data/frames.js";
import { constant, interpolate } from "../grafana/web/data/interpolate.js";
import { sections } from "../grafana/web/data/layout.js";
import { migrate } from "../grafana/web/data/migrate.js";
import { reduce } from "../grafana/web/data/reduce.js";
import { durationText, intervals, moment, seconds } from "../grafana/web/data/time.js";
import { transform } from "../grafana/web/data/transform.js";
import type { Panel } from "../grafana/web/model.js";
import { readableOn } from "../grafana/web/palette.js";
import { afterClick } from "../grafana/web/panels/legend.js";
import { stack } from "../grafana/web/panels/stacking.js";
import { formatText, fromNow } from "../grafana/web/units.js";

const field = (title: string, values: Field["values"], more: Partial<Field> = {}): Field => ({
  name: title,
  title,
  type: "number",
  labels: {},
  values,
  config: {},
  index: 0,
  ...more,
});
const frame = (...fields: Field[]): Frame => ({ refId: "A", name: "", fields });

describe("The preview's settings", () => {
  it("have Grafana's names and defaults", () => {
    const settings = readSettings({ GF_SECURITY_ADMIN_PASSWORD: "x", GF_SERVER_ROOT_URL: "https://host/grafana/" });
    assert.deepEqual(
      [settings.port, settings.adminUser, settings.dataDir, settings.anonymousRole],
      [3000, "admin", "/var/lib/grafana", undefined],
    );
    assert.equal(subPath(settings), "/grafana");
  });

  it("name what is wrong and how to mend it", () => {
    const message = (env: Record<string, string>) => {
      try {
        readSettings(env);
        return "";
      } catch (error) {
        assert.ok(error instanceof SettingError);
        return error.message;
      }
    };
    assert.equal(
      message({ GF_SERVER_HTTP_PORT: "many" }),
      'GF_SERVER_HTTP_PORT: "many" is not a port number (0 to 65535).',
    );
    assert.equal(
      message({ GF_SERVER_ROOT_URL: "host" }),
      'GF_SERVER_ROOT_URL: "host" is not a URL; write it as http://host:port/.',
    );
    assert.match(
      message({ GF_SECURITY_ADMIN_PASSWORD__FILE: "/nowhere/at/all" }),
      /^GF_SECURITY_ADMIN_PASSWORD__FILE: cannot read \/nowhere\/at\/all /,
    );
    assert.equal(
      message({ GF_AUTH_ANONYMOUS_ENABLED: "true", GF_AUTH_ANONYMOUS_ORG_ROLE: "King" }),
      'GF_AUTH_ANONYMOUS_ORG_ROLE: "King" is not one of Viewer, Editor, Admin.',
    );
  });
});

describe("What the preview makes of a dashboard", () => {
  it("formats Grafana's units", () => {
    const cases: [number, string, string][] = [
      [1536, "bytes", "1.5 KiB"],
      [1536, "decbytes", "1.54 kB"],
      [0.0042, "s", "4.2 ms"],
      [90, "s", "1.5 mins"],
      [0, "s", "0 s"],
      [250, "ms", "250 ms"],
      [0.127, "percentunit", "12.7%"],
      [12.34, "percent", "12.3%"],
      [12345, "short", "12.3 K"],
      [34.2, "reqps", "34.2 req/s"],
      [3661, "dtdurations", "1 hour, 1 minute"],
      [5, "apples", "5 apples"],
      [5, "suffix:of it", "5 of it"],
      [0, "bool_yes_no", "No"],
    ];
    assert.deepEqual(
      cases.map(([value, unit]) => formatText(value, unit)),
      cases.map(([, , text]) => text),
    );
    assert.equal(formatText(1.005, "none", 1), "1.0");
    assert.equal(fromNow(1000, 1000 + 5 * 60_000), "5 minutes ago");
  });

  it("reads times and durations", () => {
    const now = Date.UTC(2026, 0, 2, 12);
    assert.equal(moment("now-1h", now), now - 3600_000);
    assert.equal(moment("1767355200000", now), 1767355200000);
    assert.equal(moment("soon", now), undefined);
    assert.equal(seconds("90s"), 90);
    assert.equal(seconds("sometimes"), undefined);
    assert.deepEqual(
      [durationText(60), durationText(90), durationText(7200), durationText(0.5)],
      ["1m", "90s", "2h", "500ms"],
    );
  });

  it("chooses steps no finer than the scrapes, and rate windows of four of them", () => {
    const hour = { from: 0, to: 3600_000 };
    assert.deepEqual(intervals(hour, 1000, 15), { interval: 15, rateInterval: 60 });
    assert.deepEqual(intervals(hour, 30, 15), { interval: 120, rateInterval: 135 });
    assert.deepEqual(intervals(hour, 1000, 5, 60), { interval: 60, rateInterval: 65 });
  });

  it("fills variables in as Prometheus needs them", () => {
    const values = {
      one: constant("a.b"),
      many: { values: ["a.b", "c"], text: "a.b + c", isList: true, allValue: undefined },
      all: { values: ["x"], text: "All", isList: true, allValue: ".*" },
    };
    assert.equal(interpolate('up{a="$one"}', values), 'up{a="a.b"}');
    assert.equal(interpolate('up{a=~"$many"}', values), 'up{a=~"(a\\\\.b|c)"}');
    assert.equal(interpolate('up{a=~"${many:regex}",b=~"[[all]]"}', values), 'up{a=~"(a\\\\.b|c)",b=~".*"}');
    assert.equal(interpolate("${many:csv} $many", values, "text"), "a.b,c a.b + c");
    assert.equal(
      interpolate('label_replace(x, "a", "$1", "b", "(.*)") $unknown', values),
      'label_replace(x, "a", "$1", "b", "(.*)") $unknown',
    );
  });

  it("names series by their legend", () => {
    const metric = { __name__: "up", job: "a", code: "200" };
    assert.equal(legendOf(metric, "{{job}} got {{ code }}{{none}}", "up"), "a got 200");
    assert.equal(legendOf(metric, "", "up"), 'up{job="a", code="200"}');
    assert.equal(legendOf({ job: "a" }, "__auto", "sum by (job) (up)"), "a");
    assert.equal(legendOf({}, "", "sum(up)"), "sum(up)");
  });

  it("stacks to a hundred per cent, where something is", () => {
    const layer = (values: (number | null)[]) => ({ values, mode: "percent" as const, group: "A" });
    const { drawn, below } = stack([layer([1, 0, null]), layer([3, null, null])]);
    assert.deepEqual(drawn, [
      [25, 0, null],
      [100, 0, null],
    ]);
    assert.deepEqual(below, [undefined, 0]);
  });

  it("stacks each group for itself and leaves lines outside alone", () => {
    const { drawn, below } = stack([
      { values: [1, 2], mode: "normal", group: "A" },
      { values: [5, 5], mode: "none", group: "A" },
      { values: [1, null], mode: "normal", group: "A" },
      { values: [7, 7], mode: "normal", group: "B" },
    ]);
    assert.deepEqual(drawn, [
      [1, 2],
      [5, 5],
      [2, 2],
      [7, 7],
    ]);
    assert.deepEqual(below, [undefined, undefined, 0, undefined]);
  });

  it("reduces series, gaps left out", () => {
    const values = [1, null, 5, 3, null];
    assert.deepEqual(
      ["lastNotNull", "last", "mean", "max", "sum", "count", "delta", "strange"].map((calc) => reduce(values, calc)),
      [3, null, 3, 5, 9, 5, 7, null],
    );
    assert.equal(reduce([], "mean"), null);
  });

  it("applies defaults, overrides, mappings and thresholds", () => {
    const panel: Panel = {
      type: "stat",
      fieldConfig: {
        defaults: {
          unit: "s",
          thresholds: {
            steps: [
              { value: null, color: "green" },
              { value: 2, color: "#ff0000" },
            ],
          },
          mappings: [
            { type: "value", options: { "7": { text: "seven" } } },
            { type: "special", options: { match: "null", result: { text: "nought" } } },
          ],
        },
        overrides: [
          {
            matcher: { id: "byRegexp", options: "/^b/" },
            properties: [
              { id: "unit", value: "percent" },
              { id: "custom.stacking", value: { mode: "normal" } },
            ],
          },
        ],
      },
    };
    const [configured] = configure([frame(field("a", [1]), field("b", [1]))], panel);
    const [a, b] = configured?.fields ?? [];
    assert.ok(a !== undefined && b !== undefined);
    assert.deepEqual(
      [showText(1, a), showText(1, b), showText(7, a), showText(null, a)],
      ["1 s", "1%", "seven", "nought"],
    );
    assert.deepEqual([show(1, a).color, show(2, a).color], ["#73BF69", "#ff0000"]);
    assert.equal(b.config.custom?.stacking?.mode, "normal");
  });

  it("gives a name the same colour everywhere, and two names of a panel different ones", () => {
    const panel: Panel = {
      type: "timeseries",
      fieldConfig: { defaults: { color: { mode: "palette-classic-by-name" } } },
    };
    const names = ["billing", "crm", "web-shop", "p50", "p95", "p99"];
    const colors = (titles: string[]) =>
      (configure([frame(...titles.map((title) => field(title, [1])))], panel)[0]?.fields ?? []).map(seriesColor);
    assert.equal(new Set(colors(names)).size, names.length);
    assert.deepEqual(colors(["billing"]), colors(["billing", "x"]).slice(0, 1));
  });

  it("writes on colours so that it can be read", () => {
    assert.equal(readableOn("#FADE2A"), "#1b1e23");
    assert.equal(readableOn("#1F60C4"), "#ffffff");
  });

  it("organizes, merges and reduces tables, and names what it cannot do", () => {
    const text = (title: string, values: string[]) => field(title, values, { type: "string" });
    const tables = [
      { ...frame(text("job", ["a", "b"]), field("Value", [1, 2])), refId: "A" },
      { ...frame(text("job", ["b", "c"]), field("Value", [3, 4])), refId: "B" },
    ];
    const { frames, missing } = transform(tables, [
      { id: "merge" },
      { id: "organize", options: { renameByName: { "Value #A": "first" } } },
      { id: "groupingToMatrix" },
      { id: "sortBy", options: { sort: [{ field: "job", desc: true }] } },
    ]);
    assert.deepEqual(missing, ["groupingToMatrix"]);
    assert.deepEqual(
      (frames[0]?.fields ?? []).map(({ title, values }) => [title, ...values]),
      [
        ["job", "c", "b", "a"],
        ["first", null, 2, 1],
        ["Value #B", 4, 3, null],
      ],
    );
  });

  it("draws old panel types as what Grafana makes of them", () => {
    const graph = migrate({
      type: "graph",
      stack: true,
      percentage: true,
      yaxes: [{ format: "bytes", min: "0" }],
      legend: { show: true, values: true, max: true },
    } as unknown as Panel);
    assert.equal(graph.type, "timeseries");
    assert.deepEqual(
      [
        graph.fieldConfig?.defaults?.unit,
        graph.fieldConfig?.defaults?.custom?.stacking?.mode,
        graph.options?.legend?.calcs,
      ],
      ["bytes", "percent", ["max"]],
    );
    const stat = migrate({
      type: "singlestat",
      thresholds: "1,1",
      colors: ["red", "orange", "green"],
      colorBackground: true,
      valueMaps: [{ value: "1", text: "Up" }],
    } as unknown as Panel);
    const [configured] = configure([frame(field("up", [1]))], stat);
    const [up] = configured?.fields ?? [];
    assert.ok(up !== undefined);
    assert.deepEqual(
      [stat.type, showText(1, up), show(1, up).color, show(0, up).color],
      ["stat", "Up", "#73BF69", "#F2495C"],
    );
  });

  it("lays panels out by rows, repeats them, and lets none cover another", () => {
    const values = { host: { values: ["a", "b", "c"], text: "All", isList: true, allValue: undefined } };
    const found = sections(
      [
        { type: "stat", title: "$host", repeat: "host", maxPerRow: 2, gridPos: { x: 0, y: 0, w: 24, h: 4 } },
        { type: "table", gridPos: { x: 0, y: 4, w: 24, h: 4 } },
        {
          type: "row",
          title: "Folded",
          collapsed: true,
          gridPos: { x: 0, y: 8, w: 24, h: 1 },
          panels: [{ type: "text", gridPos: { x: 0, y: 9, w: 6, h: 3 } }],
        },
      ],
      values,
    );
    assert.deepEqual(
      found.map(({ title, collapsed, panels }) => [title, collapsed, panels.length]),
      [
        [undefined, false, 4],
        ["Folded", true, 1],
      ],
    );
    assert.deepEqual(
      found[0]?.panels.map(({ at }) => [at.x, at.y]),
      [
        [0, 0],
        [12, 0],
        [0, 4],
        [0, 8],
      ],
    );
  });

  it("isolates a series at a click and toggles with a modifier", () => {
    const titles = ["a", "b", "c"];
    const alone = afterClick(new Set(), titles, "b", false);
    assert.deepEqual([...alone], ["a", "c"]);
    assert.equal(afterClick(alone, titles, "b", false).size, 0);
    assert.deepEqual([...afterClick(new Set(), titles, "b", true)], ["b"]);
  });
});
