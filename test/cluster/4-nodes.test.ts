import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { until } from "../e2e/support/sandbox";
import { attached, storedOf } from "./support/cluster";
import { PatientClients } from "./support/patient";
import { isReady, Releases } from "./support/releases";

describe("scenario: nodes of a cluster", () => {
  const cluster = attached();
  let releases: Releases;
  before(() => {
    releases = new Releases(cluster());
  });
  after(() => releases.close());

  it("empties a node under load without a lost request", async () => {
    // The load comes in by the first node: who knows nodes by their addresses goes away from one that is emptied.
    const pods = await cluster().pods("audit-svc");
    const node = pods.map(({ spec }) => spec.nodeName).find((name) => name !== "node1");
    assert.ok(node, "no pod of the service outside node1");
    try {
      await releases.losesNothing(200, () =>
        cluster().kubectl("drain", node, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=180s"),
      );
      const left = await until("as many pods as before, elsewhere", 60, async () => {
        const ready = (await cluster().pods("audit-svc")).filter(isReady);
        return ready.length === pods.length ? ready : undefined;
      });
      assert.ok(left.every(({ spec }) => spec.nodeName !== node));
    } finally {
      await cluster().kubectl("uncordon", node);
    }
  });

  it("outlives a worker that dies: who sends again by id loses nothing, and its pods are made elsewhere", async () => {
    const pods = await cluster().pods("audit-svc");
    const node = pods.map(({ spec }) => spec.nodeName).find((name) => name !== "node1");
    assert.ok(node, "no pod of the service outside node1");
    const clients = new PatientClients(cluster());
    try {
      await sleep(3000);
      const killed = Date.now();
      await cluster().kill(node);
      await until("as many pods as before, elsewhere", 180, async () => {
        const ready = (await cluster().pods("audit-svc")).filter(isReady);
        const elsewhere = ready.filter(({ spec }) => spec.nodeName !== node);
        return elsewhere.length === pods.length ? true : undefined;
      });
      const back = Date.now();
      await sleep(10_000);
      const seconds = (at: number) => ((at - killed) / 1000).toFixed(0);
      console.log(
        `      ${clients.failed} attempts in vain, the last ${seconds(clients.lastFailure ?? killed)} s after the death; all pods elsewhere after ${seconds(back)} s`,
      );
      assert.ok((clients.lastFailure ?? killed) < Date.now() - 5000, "attempts are still in vain");
    } finally {
      await Promise.all([cluster().start(node), clients.stop()]);
    }
    const database = (await cluster().mustPulumi("config", "get", "audit:databaseName")).trim();
    assert.equal(await storedOf(clients.actor, database), clients.acknowledged);
  });
});
