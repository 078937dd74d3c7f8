import assert from "node:assert/strict";

import { serviceDashboard } from "../../../dashboards";
import { canonicalJson } from "../../../lib/canonical-json";
import { canonicalDashboard } from "../../../dashboards/canonical";

describe("canonical JSON", () => {
  it("sorts keys at every depth and keeps the order of lists", () => {
    assert.equal(canonicalJson({ b: [{ d: 1, c: 2 }, 0], a: null }), '{"a":null,"b":[{"c":2,"d":1},0]}');
  });

  it("escapes as Go's encoding/json does, in which the provider writes its state", () => {
    assert.equal(
      canonicalJson({ expr: "a > 0 and b < 1 & \u2028" }),
      '{"expr":"a \\u003e 0 and b \\u003c 1 \\u0026 \\u2028"}',
    );
  });

  it("leaves out what Grafana numbers, and nothing else of that name", () => {
    const dashboard = {
      id: 7,
      version: 3,
      iteration: 1562682051068,
      uid: "u",
      panels: [
        { id: 1, title: "a", fieldConfig: { overrides: [{ matcher: { id: "byName" } }] } },
        { id: 2, type: "row", panels: [{ id: 3, title: "b" }] },
      ],
      links: undefined,
    };
    assert.equal(
      canonicalDashboard(dashboard),
      '{"panels":[{"fieldConfig":{"overrides":[{"matcher":{"id":"byName"}}]},"title":"a"},{"panels":[{"title":"b"}],"type":"row"}],"uid":"u"}',
    );
    assert.equal(dashboard.panels[0]?.id, 1, "the input is not changed");
  });

  it("is the format of the service's dashboard", () => {
    const json = serviceDashboard({ datasource: { uid: "p" } });
    assert.equal(canonicalDashboard(JSON.parse(json) as object), json);
    assert.doesNotMatch(json, /[<>&]/);
  });
});
