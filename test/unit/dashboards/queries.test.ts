import assert from "node:assert/strict";

import { dashboardQueries, withVariables } from "../../../dashboards";
import { assertCountersAreRated, assertKnownSeries } from "./expect";

describe("a dashboard's queries", () => {
  it("are those of panels, also in collapsed rows, of annotations and of variables", () => {
    const json = JSON.stringify({
      panels: [
        { title: "a", targets: [{ refId: "A", expr: "up", legendFormat: "l" }] },
        { title: "row", type: "row", panels: [{ title: "b", targets: [{ refId: "B", expr: "down" }] }] },
      ],
      annotations: { list: [{ name: "built in" }, { name: "n", expr: "marks" }] },
      templating: {
        list: [
          { name: "datasource", type: "datasource", query: "prometheus" },
          { name: "v", type: "query", query: 'label_values(up{job="x, y"}, v)' },
        ],
      },
    });
    assert.deepEqual(dashboardQueries(json), [
      { place: "a", kind: "panel", refId: "A", expr: "up", legend: "l" },
      { place: "b", kind: "panel", refId: "B", expr: "down", legend: "" },
      { place: "n", kind: "annotation", refId: "", expr: "marks", legend: "" },
      { place: "v", kind: "variable", refId: "", expr: 'up{job="x, y"}', legend: "" },
    ]);
  });

  it("refuse a variable that is no list of label values", () => {
    const json = JSON.stringify({ templating: { list: [{ name: "v", type: "query", query: "metrics(up)" }] } });
    assert.throws(() => dashboardQueries(json), {
      message: "The variable v does not ask for label_values(series, label).",
    });
  });

  it("have their variables replaced by All, or by given values", () => {
    const expr = 'rate(a{b=~"$b",c=~"${c}"}[$__rate_interval])';
    assert.equal(withVariables(expr), 'rate(a{b=~".*",c=~".*"}[1m])');
    assert.equal(withVariables(expr, "20s", { c: "x" }), 'rate(a{b=~".*",c=~"x"}[20s])');
  });
});

describe("the checks on queries", () => {
  it("find invalid PromQL", () => {
    assert.throws(() => assertKnownSeries("sum(rate(up[5m])"), /No PromQL at 16/);
  });

  it("find a series that nothing exposes", () => {
    assert.throws(() => assertKnownSeries("sum(audit_event_total)"), /audit_event_total is exposed by nobody/);
  });

  it("find a counter that is summed before its rate is taken", () => {
    assertCountersAreRated('sum(rate(audit_events_total{job="x"}[5m]))');
    assert.throws(() => assertCountersAreRated('rate(sum(audit_events_total{job="x"})[5m:])'), /is not rated/);
    assert.throws(() => assertCountersAreRated("audit_ingest_batch_size_sum{}"), /is not rated/);
  });
});
