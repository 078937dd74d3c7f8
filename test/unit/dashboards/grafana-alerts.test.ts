import assert from "node:assert/strict";
import { parse } from "yaml";
import { alertRules, grafanaRules } from "../../../dashboards";

const options = {
  environment: "vm2",
  runbookUrl: "https://docs.example/runbook.md",
  dashboardUrl: "https://grafana.example/d/audit",
  databaseLimit: 1e9,
  certificate: { warning: 2, critical: 1 },
};
interface Rule {
  alert: string;
  expr: string;
  for: string;
  labels: Record<string, string>;
  annotations: Record<string, string>;
}
const { groups } = parse(alertRules(options)) as { groups: { rules: Rule[] }[] };
const wanted = groups.flatMap((group) => group.rules);
const rules = grafanaRules(options, "prometheus-uid");

describe("the alert rules for Grafana", () => {
  it("are those for Prometheus, with the same expressions, times and labels", () => {
    assert.deepEqual(
      rules.map(({ name, for: duration, labels, datas }) => {
        const { expr } = JSON.parse(datas[0]?.model ?? "") as { expr: string };
        return { alert: name, expr, for: duration, labels };
      }),
      wanted.map(({ alert, expr, for: duration, labels }) => ({ alert, expr, for: duration, labels })),
    );
  });

  it("fire for each series of the expression, even one whose value is 0, and not without a series", () => {
    for (const { condition, noDataState, execErrState, datas } of rules) {
      assert.deepEqual([condition, noDataState, execErrState], ["B", "OK", "Error"]);
      const [query, isThere] = datas;
      assert.equal(query?.datasourceUid, "prometheus-uid");
      const { instant, range } = JSON.parse(query.model) as { instant: boolean; range: boolean };
      assert.deepEqual([instant, range], [true, false]);
      assert.equal(isThere?.datasourceUid, "__expr__");
      assert.equal(
        isThere.model,
        '{"datasource":{"type":"__expr__","uid":"__expr__"},"expression":"is_number($A) || is_nan($A) || is_inf($A)","refId":"B","type":"math"}',
      );
    }
  });

  it("have Prometheus's annotations, with the value in Grafana's template syntax", () => {
    for (const [index, { annotations }] of rules.entries()) {
      assert.doesNotMatch(JSON.stringify(annotations), /\$value\b/);
      const back = Object.entries(annotations).map(([key, text]) => [
        key,
        text.replaceAll("$values.A.Value", "$value"),
      ]);
      assert.deepEqual(Object.fromEntries(back), wanted[index]?.annotations);
    }
    const latency = rules.find(({ name }) => name === "AuditLatency");
    assert.equal(
      latency?.annotations.summary,
      "Storing audit events is slow in {{ $labels.environment }}: p99 {{ $values.A.Value | humanizeDuration }}",
    );
  });

  it("have uids that are stable, valid in Grafana, and unique to the environment", () => {
    const uids = rules.map(({ uid }) => uid);
    for (const uid of uids) assert.match(uid, /^[a-zA-Z0-9_-]{1,40}$/);
    assert.equal(new Set(uids).size, rules.length);
    const others = grafanaRules({ ...options, environment: "test" }, "prometheus-uid").map(({ uid }) => uid);
    assert.deepEqual(
      others.filter((uid) => uids.includes(uid)),
      [],
    );
    assert.equal(uids[0], "audit-6fc62fa67add286b555c6ad9");
  });
});
