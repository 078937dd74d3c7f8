import assert from "node:assert/strict";

import { alertRules } from "../../../dashboards";
import { SENDER_LABEL, SERVICE_SERIES } from "../../../dashboards/metrics";

describe("the service's series, compared with the reference service", () => {
  /** Text of its /metrics, as it is before the first request. */
  let exposition: string;

  before(async () => {
    // The service is an ES module, these tests are CommonJS.
    const { Metrics } = await import("../../../audit-svc/src/metrics.js");
    const metrics = new Metrics({ version: "1.0.0", release: "v1" });
    metrics.applicationLabel("billing");
    exposition = await metrics.registry.metrics();
  });

  it("are exposed, each of them", () => {
    const types = [...exposition.matchAll(/^# TYPE (\w+) (\w+)$/gm)].map(([, name, type]) => ({ name, type }));
    const series = types.flatMap(({ name, type }) =>
      type === "histogram" ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name],
    );
    assert.ok(series.length > 20);
    assert.deepEqual(
      SERVICE_SERIES.filter((name) => !series.includes(name)),
      [],
    );
  });

  it("name the sender by the label that Prometheus prefixes", () => {
    assert.match(
      exposition,
      new RegExp(`^audit_events_total\\{${SENDER_LABEL.replace(/^exported_/, "")}="billing"\\} 0$`, "m"),
    );
  });

  it("have the label values that the alerts look for", () => {
    const rules = alertRules({ environment: "vm2", runbookUrl: "r" });
    for (const [series, label, values] of [
      ["audit_db_errors_total", "kind", ["connection", "timeout", "query"]],
      ["audit_config_reloads_total", "result", ["applied", "unchanged"]],
    ] as const) {
      for (const value of values) {
        assert.match(exposition, new RegExp(`^${series}\\{${label}="${value}"\\} 0$`, "m"));
        assert.match(rules, new RegExp(`${series}\\{[^}]*${label}[!=~]+"[a-z|]*\\b${value}\\b`));
      }
    }
  });
});
