import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { AGENT_JOB } from "../../dashboards/metrics";
import { PrometheusApi } from "../../lib/prometheus-api";
import { until } from "../e2e/support/sandbox";
import { attached } from "./support/cluster";

describe("scenario: the service on a cluster", () => {
  const cluster = attached();

  it("stores an event and gives it back", async () => {
    const id = randomUUID();
    const event = {
      ...{ id, application: "demo", actor: `cluster-${id}`, action: "login", resource: "console" },
      ...{ outcome: "success", occurredAt: new Date().toISOString() },
    };
    const sent = await cluster().edge("/v1/events", {
      method: "POST",
      token: cluster().get("AUDIT_TOKEN"),
      body: JSON.stringify(event),
    });
    assert.equal(sent.status, 201, sent.body);
    const read = await cluster().edge(`/v1/events?actor=cluster-${id}`, { token: cluster().get("AUDIT_READ_TOKEN") });
    const { events } = JSON.parse(read.body) as { events: { id: string }[] };
    assert.deepEqual(
      events.map((found) => found.id),
      [id],
    );
  });

  it("runs on more than one node", async () => {
    for (const name of ["audit-svc", "audit-edge"]) {
      const nodes = new Set((await cluster().pods(name)).map(({ spec }) => spec.nodeName));
      assert.ok(nodes.size > 1, `${name} runs on ${[...nodes].join(", ")} alone`);
    }
  });

  it("has each pod's agent tell Prometheus that it is logged in", async () => {
    const prometheus = new PrometheusApi(cluster().get("PROMETHEUS_URL"));
    await until("every agent is scraped and logged in", 60, async () => {
      const pods = (await cluster().pods("audit-svc")).map(({ status }) => status.podIP).sort();
      const { targets } = await prometheus.activeTargets();
      const up = targets.filter(
        ({ labels, health }) => labels.job === AGENT_JOB && labels.environment === "cluster" && health === "up",
      );
      const loggedIn = await prometheus.query('vault_agent_authenticated{environment="cluster"} == 1');
      for (const found of [up, loggedIn]) assert.deepEqual(found.map(({ labels }) => labels.replica).sort(), pods);
      return true;
    });
  });

  it("has nothing to change at a second `up`", async () => {
    const output = await cluster().mustPulumi("up", "--yes", "--skip-preview");
    assert.match(output, /\d+ unchanged/);
    assert.doesNotMatch(output, /\d+ (created|updated|replaced|deleted)/);
  });
});
