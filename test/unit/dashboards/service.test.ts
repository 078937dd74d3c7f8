import assert from "node:assert/strict";

import { dashboardQueries, serviceDashboard, withVariables } from "../../../dashboards";
import { assertCountersAreRated, assertKnownSeries } from "./expect";
import { schemaErrors } from "./schema";

interface Panel {
  type: string;
  title: string;
  description?: string;
  gridPos: { x: number; y: number; w: number; h: number };
  datasource?: unknown;
  fieldConfig: {
    defaults: { unit?: string; max?: number; mappings?: unknown; custom?: { stacking?: unknown } };
    overrides: unknown[];
  };
  targets: { refId: string; expr: string; legendFormat: string; instant?: boolean; datasource: unknown }[];
}

interface Dashboard {
  uid: string;
  title: string;
  panels: Panel[];
  links: { title: string; type: string; url?: string; tags: string[] }[];
  templating: { list: { name: string; label: string; type: string; query: string; current: unknown }[] };
  annotations: { list: Record<string, unknown>[] };
}

const datasource = { uid: "prometheus", name: "Prometheus" };
const json = serviceDashboard({ datasource, log: true });
const whole = JSON.parse(json) as Dashboard;
const panels = whole.panels.filter((panel) => panel.type !== "row");

function panel(title: string): Panel {
  const found = panels.find((candidate) => candidate.title === title);
  assert.ok(found, `no panel ${title}`);
  return found;
}

const SCOPE = 'job="audit-svc",environment=~"$environment",replica=~"$replica"';
const CLIENTS = 'route!~"/healthz|/readyz|/metrics|/reload|/v1/access"';

describe("the service's dashboard", () => {
  it("has the given uid, title and data source, with defaults for the first two", () => {
    assert.equal(whole.uid, "audit-svc");
    assert.equal(whole.title, "Audit service");
    const other = JSON.parse(serviceDashboard({ datasource: { uid: "other" }, uid: "u", title: "T" })) as Dashboard;
    assert.equal(other.uid, "u");
    assert.equal(other.title, "T");
    assert.deepEqual(other.templating.list[0]?.current, { selected: true, text: "other", value: "other" });
  });

  it("begins with the required panels", () => {
    assert.deepEqual(
      panels.slice(0, 5).map(({ title }) => title),
      ["Events per second by application", "Share of response codes", "Status", "Since when", "Status over time"],
    );
  });

  it("shows events per second by the sending application", () => {
    const { type, targets, fieldConfig } = panel("Events per second by application");
    assert.equal(type, "timeseries");
    assert.equal(fieldConfig.defaults.unit, "eps");
    assert.deepEqual(
      targets.map(({ expr, legendFormat }) => ({ expr, legendFormat })),
      [
        {
          expr: `sum by (exported_application) (rate(audit_events_total{${SCOPE}}[$__rate_interval]))`,
          legendFormat: "{{exported_application}}",
        },
      ],
    );
  });

  it("shows the share of each response code of all answers to clients, stacked to 100 per cent", () => {
    const { type, targets, fieldConfig } = panel("Share of response codes");
    assert.equal(type, "timeseries");
    assert.equal(fieldConfig.defaults.unit, "percent");
    assert.equal(fieldConfig.defaults.max, 100);
    assert.deepEqual(fieldConfig.defaults.custom?.stacking, { mode: "normal", group: "A" });
    const answers = `rate(http_requests_total{${SCOPE},${CLIENTS}}[$__rate_interval])`;
    assert.deepEqual(
      targets.map(({ expr, legendFormat }) => ({ expr, legendFormat })),
      [
        {
          expr: `100 * sum by (code) (${answers}) / on () group_left () (sum(${answers}) > 0)`,
          legendFormat: "{{code}}",
        },
      ],
    );
    assert.deepEqual(
      fieldConfig.overrides,
      Object.entries({ "/^2../": "green", "/^3../": "blue", "/^4../": "orange", "/^5../": "red" }).map(
        ([codes, fixedColor]) => ({
          matcher: { id: "byRegexp", options: codes },
          properties: [{ id: "color", value: { mode: "shades", fixedColor } }],
        }),
      ),
    );
  });

  it("shows up of each replica as UP or DOWN", () => {
    for (const title of ["Status", "Status over time"]) {
      const { targets, fieldConfig } = panel(title);
      assert.equal(targets[0]?.expr, `up{${SCOPE}}`);
      assert.deepEqual(fieldConfig.defaults.mappings, [
        {
          type: "value",
          options: { "0": { color: "red", index: 0, text: "DOWN" }, "1": { color: "green", index: 1, text: "UP" } },
        },
      ]);
    }
    assert.equal(panel("Status").targets[0]?.legendFormat, "{{environment}} {{replica}}");
    assert.equal(panel("Status").targets[0]?.instant, true);
  });

  it("shows since when each replica is in its state", () => {
    const { fieldConfig, targets } = panel("Since when");
    assert.equal(fieldConfig.defaults.unit, "dateTimeFromNow");
    assert.equal(targets[0]?.legendFormat, "{{environment}} {{replica}}");
  });

  it("gives every panel a unit, a description, the chosen data source and a title of its own", () => {
    for (const { title, description = "", fieldConfig, datasource, targets } of panels) {
      assert.ok(fieldConfig.defaults.unit, `${title} has no unit`);
      assert.ok(description.length > 20, `${title} has no description`);
      for (const source of [datasource, ...targets.map((target) => target.datasource)]) {
        assert.deepEqual(source, { type: "prometheus", uid: "${datasource}" }, title);
      }
    }
    const titles = whole.panels.map(({ title }) => title);
    assert.equal(new Set(titles).size, titles.length);
  });

  it("gives every query a name of its own within the panel, and a legend", () => {
    for (const { title, targets } of panels) {
      assert.equal(new Set(targets.map(({ refId }) => refId)).size, targets.length, title);
      for (const { legendFormat } of targets) assert.ok(legendFormat, title);
    }
  });

  it("lays the panels out without overlap on 24 columns", () => {
    const taken = new Map<string, string>();
    for (const { title, gridPos } of whole.panels) {
      assert.ok(gridPos.x + gridPos.w <= 24, `${title} is too wide`);
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
          assert.equal(taken.get(`${x},${y}`), undefined, `${title} lies on another panel`);
          taken.set(`${x},${y}`, title);
        }
      }
    }
  });

  it("asks only for series that are exposed, in PromQL that parses, and takes rates before sums", () => {
    const queries = dashboardQueries(json);
    assert.ok(queries.length > 20);
    for (const { expr } of queries) {
      const sent = withVariables(expr);
      assert.doesNotMatch(sent, /\$/);
      assertKnownSeries(sent);
      assertCountersAreRated(sent);
    }
  });

  it("never divides by a rate that may be zero", () => {
    for (const { place, expr } of dashboardQueries(json)) {
      if (expr.includes(" / ")) assert.match(expr, / > 0\)$/, place);
    }
  });

  it("lets the reader choose data source, environment and instance", () => {
    assert.deepEqual(
      whole.templating.list.map(({ name, label, type, query }) => ({ name, label, type, query })),
      [
        { name: "datasource", label: "Data source", type: "datasource", query: "prometheus" },
        {
          name: "environment",
          label: "Environment",
          type: "query",
          query: 'label_values(up{job="audit-svc"}, environment)',
        },
        {
          name: "replica",
          label: "Instance",
          type: "query",
          query: 'label_values(up{job="audit-svc",environment=~"$environment"}, replica)',
        },
      ],
    );
    assert.deepEqual(whole.templating.list[1]?.current, { selected: true, text: ["All"], value: ["$__all"] });
    const vm2 = JSON.parse(serviceDashboard({ datasource, environment: "vm2" })) as Dashboard;
    assert.deepEqual(vm2.templating.list[1]?.current, { selected: true, text: ["vm2"], value: ["vm2"] });
  });

  it("marks the beginning of each release", () => {
    const [marks] = whole.annotations.list;
    assert.equal(marks?.useValueForTime, true);
    assert.equal(marks.titleFormat, "Release {{release}}");
    assert.equal(
      marks.expr,
      '1000 * min by (environment, release) (process_start_time_seconds{job="audit-svc",environment=~"$environment"})',
    );
  });

  it("links to its siblings and to what was given", () => {
    const links = [{ title: "Service", url: "http://service.example" }];
    const linked = JSON.parse(serviceDashboard({ datasource, links })) as Dashboard;
    assert.deepEqual(
      linked.links.map(({ title, type, url, tags }) => ({ title, type, url, tags })),
      [
        { title: "Dashboards of the audit service", type: "dashboards", url: undefined, tags: ["audit-svc"] },
        { title: "Service", type: "link", url: "http://service.example", tags: [] },
      ],
    );
  });

  it("shows the log's size, lag, last checkpoint and last witness, where there is a log", () => {
    const newest = (series: string) => `max by (environment) (audit_log_${series}{${SCOPE}})`;
    const shown = ["Log size", "Log lag", "Last checkpoint", "Last witness"].map((title) =>
      panel(title).targets.map(({ expr, legendFormat }) => [expr, legendFormat]),
    );
    assert.deepEqual(shown, [
      [
        [newest("size"), "{{environment}}"],
        [newest("checkpoint_size"), "{{environment}}, signed"],
        [`${newest("witnessed_size")} > 0`, "{{environment}}, witnessed"],
      ],
      [[newest("lag_seconds"), "{{environment}}"]],
      [[`time() - (${newest("checkpoint_timestamp_seconds")} > 0)`, "{{environment}}"]],
      [[`time() - (${newest("witnessed_timestamp_seconds")} > 0)`, "{{environment}}"]],
    ]);
    const without = JSON.parse(serviceDashboard({ datasource })) as Dashboard;
    assert.doesNotMatch(JSON.stringify(without), /audit_log|"Log"/);
    assert.equal(without.panels.length, whole.panels.length - 5);
  });

  it("shows of agents in pods whether they are logged in, which is all that these tell", () => {
    const inPods = (JSON.parse(serviceDashboard({ datasource, log: true, inPods: true })) as Dashboard).panels;
    const titles = inPods.map(({ title }) => title);
    assert.deepEqual(
      whole.panels.map(({ title }) => title).filter((title) => !titles.includes(title)),
      ["Vault token left", "secret_id left"],
    );
    assert.deepEqual(
      inPods.find(({ title }) => title === "Vault Agent")?.targets.map(({ expr }) => expr),
      ['vault_agent_authenticated{environment=~"$environment"}'],
    );
    assertKnownSeries('vault_agent_authenticated{environment=~".*"}');
  });

  it("compares no configurations where each pod has a login of its own: all of them differ", () => {
    const own = (JSON.parse(serviceDashboard({ datasource, log: true, loginPerPod: true })) as Dashboard).panels;
    const titles = own.map(({ title }) => title);
    assert.deepEqual(
      whole.panels.map(({ title }) => title).filter((title) => !titles.includes(title)),
      ["Configurations in force"],
    );
  });

  it("is the same text every time", () => {
    assert.equal(serviceDashboard({ datasource: { name: "Prometheus", uid: "prometheus" }, log: true }), json);
  });

  describe("against the schema types of Grafana", function () {
    this.timeout(60_000);

    it("has nothing unknown, nothing missing and no wrong value", () => {
      assert.deepEqual(schemaErrors(json), []);
    });

    it("would be refused with a misspelt key or value", () => {
      const broken = json
        .replace('"fillOpacity":10', '"fillOpacty":10')
        .replace('"graphTooltip":1', '"graphTooltip":7');
      assert.notEqual(broken, json);
      assert.deepEqual(schemaErrors(broken), [
        "/check.ts: Type '7' is not assignable to type 'DashboardCursorSync | undefined'.",
        "/check.ts: Object literal may only specify known properties, and '\"fillOpacty\"' does not exist in type 'GraphFieldConfig'.",
      ]);
    });
  });
});
