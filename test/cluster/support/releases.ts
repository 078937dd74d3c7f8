import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { Deploys, type Change } from "../../e2e/support/deploys";
import { startLoad, withoutLoss } from "../../e2e/support/load";
import type { Cluster, Pod } from "./cluster";

/** Seconds that load goes on after a deploy: pods that were replaced end in the background. */
const AFTERWARDS = 20;

export const isReady = ({ status }: Pod): boolean =>
  status.conditions?.some((one) => one.type === "Ready" && one.status === "True") ?? false;

export const namesOf = (pods: readonly Pod[]): string[] => pods.map(({ metadata }) => metadata.name).sort();

/** Deploys to the cluster, and what serves meanwhile. */
export class Releases extends Deploys {
  constructor(readonly cluster: Cluster) {
    super(cluster);
  }

  /** The release of each ready pod of the service. */
  async serving(): Promise<(string | undefined)[]> {
    const ready = (await this.cluster.pods("audit-svc")).filter(isReady);
    return ready.map(({ metadata }) => metadata.labels["audit/release"]);
  }

  /** Does something under a load of keep-alive POSTs, and asserts that none of them was lost. */
  async losesNothing(rate: number, act: () => Promise<unknown>): Promise<void> {
    const { cluster } = this;
    const load = startLoad({
      ...{ url: cluster.get("AUDIT_URL"), token: cluster.get("AUDIT_TOKEN"), application: "demo", rate },
    });
    try {
      await sleep(1000);
      await act();
      await sleep(AFTERWARDS * 1000);
    } finally {
      const { stored } = withoutLoss(await load.stop());
      assert.ok(stored > rate * AFTERWARDS * 0.5, `only ${stored} stored`);
    }
  }

  async stillServes(): Promise<void> {
    const event = {
      ...{ id: randomUUID(), application: "demo", actor: "cluster", action: "login", resource: "console" },
      ...{ outcome: "success", occurredAt: new Date().toISOString() },
    };
    const { status, body } = await this.cluster.edge("/v1/events", {
      method: "POST",
      token: this.cluster.get("AUDIT_TOKEN"),
      body: JSON.stringify(event),
    });
    assert.equal(status, 201, body);
  }

  /** A deploy that must fail with this output, and leave what is recorded as it was. */
  async fails(change: Change, says: readonly RegExp[]): Promise<void> {
    const before = await this.state();
    const { code, output } = await this.up(change);
    assert.notEqual(code, 0, output);
    for (const message of says) assert.match(output, message);
    assert.deepEqual(await this.state(), before);
  }
}
