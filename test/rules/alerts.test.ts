import assert from "node:assert/strict";

import { parse } from "yaml";

import { alertRules } from "../../dashboards";
import { promtool } from "./promtool";
import { type Scenario, bucket, first, log, scenarios, second } from "./alert-scenarios";
import { DAY, GIB, HEALTHY, type Series, firing, play } from "./scenario";

const rules = alertRules({
  environment: "vm2",
  runbookUrl: "runbook.md",
  databaseLimit: 100 * GIB,
  log: true,
  certificate: { warning: 14 * DAY, critical: 2 * DAY },
});

function seriesOf({ series = {}, without = [] }: Scenario): Series {
  const all = { ...HEALTHY, ...series };
  for (const name of without) assert.ok(name in all, `${name} is not there anyway`);
  return Object.fromEntries(Object.entries(all).filter(([name]) => !without.includes(name)));
}

describe("the alert rules in Prometheus", function () {
  this.timeout(60_000);

  it("are accepted by promtool", async () => {
    await promtool(["check", "rules", "--lint=all", "--lint-fatal", "rules.yml"], { "rules.yml": rules });
  });

  for (const scenario of scenarios) {
    it(scenario.name, async () => {
      await play(rules, seriesOf(scenario), scenario.then);
    });
  }

  it("know days ahead that the database will be full", async () => {
    const limit = alertRules({ environment: "vm2", runbookUrl: "runbook.md", databaseLimit: 100 * GIB });
    // Grows a gibibyte an hour for seven hours, with a release in between whose replicas have other labels.
    const grows = {
      [`audit_database_size_bytes{${first}}`]: `${10 * GIB}+${GIB / 60}x210 stale`,
      [`audit_database_size_bytes{${second.replace('release="v1"', 'release="v2"')}}`]: `_x211 ${13.5 * GIB}+${GIB / 60}x210`,
    };
    await play(
      limit,
      grows,
      ["5h", "6h30m"].map((at) => ({
        expr: 'group by (alertname) (ALERTS{alertstate="firing",alertname="AuditDatabaseFull"})',
        at,
        samples: at === "5h" ? [] : [{ labels: '{alertname="AuditDatabaseFull"}', value: 1 }],
      })),
      [],
      "1m",
    );
  });

  it("miss a witness after three days, and only if there ever was one", async () => {
    for (const [witnessed, at, fires] of [
      ["3600", "3d", false],
      ["3600", "3d3h", true],
      ["0", "4d", false],
    ] as const) {
      const answer = {
        expr: 'group by (alertname) (ALERTS{alertstate="firing",alertname="AuditLogUnwitnessed"})',
        ...{ at, samples: fires ? [{ labels: '{alertname="AuditLogUnwitnessed"}', value: 1 }] : [] },
      };
      const series = { [log("witnessed_timestamp_seconds")]: `${witnessed}x600` };
      await play(rules, series, [answer], [], "10m");
    }
  });

  it("have a scenario in which they fire, each of them", () => {
    const { groups } = parse(rules) as { groups: { rules: { alert: string }[] }[] };
    const fired = scenarios.flatMap(({ then }) => then.flatMap(({ samples }) => samples.map(({ labels }) => labels)));
    assert.deepEqual(
      groups
        .flatMap((group) => group.rules.map(({ alert }) => alert))
        // It takes days, and has the test above.
        .filter((alert) => alert !== "AuditLogUnwitnessed")
        .filter((alert) => !fired.some((labels) => labels.includes(`"${alert}"`))),
      [],
    );
  });

  it("tell what is wrong in words and figures", async () => {
    const labels = { application: "audit-svc", environment: "vm2" };
    const errors = { [`http_requests_total{${first},method="GET",route="/v1/events/export",code="500"}`]: "0+100x360" };
    const slow = { [bucket("0.005")]: "0+48x360", [bucket("0.5")]: "0+48x360" };
    await play(
      rules,
      { ...HEALTHY, ...errors, ...slow, [`up{${first}}`]: "1x12 0x300" },
      [],
      [
        {
          alert: "AuditErrorShare",
          at: "10m",
          labels: { ...labels, severity: "critical" },
          annotations: {
            summary: "50% of the audit service's answers are errors in vm2",
            description: "More than 5 % of the answers to clients within 5 minutes had a 5xx code.",
            runbook_url: "runbook.md#auditerrorshare",
          },
        },
        {
          alert: "AuditLatency",
          at: "10m",
          labels: { ...labels, severity: "warning" },
          annotations: {
            summary: "Storing audit events is slow in vm2: p99 750ms",
            description: "One request of a hundred took longer than 0.5 s over the last 5 minutes.",
            runbook_url: "runbook.md#auditlatency",
          },
        },
        {
          alert: "AuditReplicaDown",
          at: "10m",
          labels: {
            ...labels,
            severity: "warning",
            instance: "vm2:9145/blue-1",
            job: "audit-svc",
            release: "v1",
            replica: "blue-1",
          },
          annotations: {
            summary: "Replica blue-1 of the audit service is down in vm2",
            description: "The others carry its load. Release v1.",
            runbook_url: "runbook.md#auditreplicadown",
          },
        },
      ],
    );
  });

  it("are compared for real: a wrong expectation fails", async () => {
    await assert.rejects(play(rules, HEALTHY, [firing("10m", "AuditServiceDown")]), /AuditServiceDown/);
  });
});
