import assert from "node:assert/strict";
import { until } from "../e2e/support/sandbox";
import { attached } from "./support/cluster";
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
});
