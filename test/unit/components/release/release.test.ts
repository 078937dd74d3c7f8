import assert from "node:assert/strict";
import { addressPlan } from "../../../../components/vm/addresses";
import { completeSpec, planRelease, releaseId } from "../../../../components/release/release";
import type { ReleaseState } from "../../../../lib/release-state";

const addresses = addressPlan("172.29");
const image = (n: number) => `registry.example.test/audit@sha256:${String(n).repeat(64)}`;
const plan = (n: number, previous?: ReleaseState, replicas = 2) =>
  planRelease("audit-svc", { image: image(n), replicas }, previous, addresses);

describe("release", () => {
  it("has the same name for the same specification, whatever the order of its keys and whether defaults are written", () => {
    const a = releaseId({ image: image(1), environment: { A: "1", B: "2" } });
    assert.equal(a, releaseId({ environment: { B: "2", A: "1" }, memory: 256, replicas: 2, image: image(1) }));
    assert.match(a, /^[0-9a-f]{12}$/);
    for (const change of [
      { image: image(2) },
      { memory: 512 },
      { replicas: 3 },
      { pids: 9 },
      { user: "1:1" },
      { reloadOn: "main" } as const,
    ]) {
      assert.notEqual(releaseId({ image: image(1), environment: { A: "1", B: "2" }, ...change }), a);
    }
  });

  it("refuses more replicas than the address plan has room for", () => {
    for (const replicas of [0, 17, 1.5, Number.NaN]) {
      assert.throws(() => completeSpec({ image: image(1), replicas }), {
        message: `replicas must be a whole number from 1 to 16, not ${replicas}`,
      });
    }
  });

  it("refuses limits and a user that Docker would refuse later, or take for another", () => {
    const wrong = [{ memory: -5 }, { memory: 1.5 }, { pids: 0 }, { user: "root" }];
    for (const spec of wrong) {
      const [key = ""] = Object.keys(spec);
      assert.throws(() => completeSpec({ image: image(1), ...spec }), new RegExp(`Slots: spec\\.${key} must be`));
    }
  });

  it("starts in blue", () => {
    const first = plan(1);
    assert.equal(first.target, "blue");
    assert.equal(first.idle, undefined);
    assert.deepEqual(first.next, { active: "blue", slots: { blue: first.wanted } });
  });

  it("has nothing to do when the wanted release is active", () => {
    const first = plan(1);
    const again = plan(1, first.next);
    assert.equal(again.target, "blue");
    assert.deepEqual(again.next, first.next);
  });

  it("fills the idle slot with a new release and keeps the old one", () => {
    const first = plan(1);
    const second = plan(2, first.next);
    assert.equal(second.target, "green");
    assert.deepEqual(second.idle, { slot: "blue", release: first.wanted });
    assert.deepEqual(second.next, { active: "green", slots: { blue: first.wanted, green: second.wanted } });
  });

  it("overwrites the idle slot with a third release", () => {
    const second = plan(2, plan(1).next);
    const third = plan(3, second.next);
    assert.equal(third.target, "blue");
    assert.deepEqual(third.idle, { slot: "green", release: second.wanted });
  });

  it("goes back by a promotion: the former release is still in its slot", () => {
    const first = plan(1);
    const second = plan(2, first.next);
    const back = plan(1, second.next);
    assert.equal(back.target, "blue");
    assert.deepEqual(back.next, { active: "blue", slots: { blue: first.wanted, green: second.wanted } });
  });

  it("leaves the active slot alone after a failed deploy whose state was not kept", () => {
    const first = plan(1);
    plan(2, first.next);
    const retry = plan(3, first.next);
    assert.equal(retry.target, "green");
    assert.deepEqual(retry.idle?.slot, "blue");
  });

  it("treats another number of replicas as another release, and keeps the idle slot's own number", () => {
    const first = plan(1, undefined, 3);
    const second = plan(1, first.next, 1);
    assert.equal(second.target, "green");
    assert.equal(second.replicas.green.length, 1);
    assert.equal(second.replicas.blue.length, 3);
  });

  it("gives every replica of both slots its own address on each network", () => {
    const { replicas } = plan(1, undefined, 16);
    const all = [...replicas.blue, ...replicas.green];
    assert.equal(new Set(all.map((r) => r.address)).size, 32);
    assert.equal(new Set(all.map((r) => r.reload.address)).size, 32);
    for (const taken of [addresses.front.edge, addresses.front.exporter, addresses.front.agent])
      assert.ok(!all.some((r) => r.address === taken));
    assert.ok(!all.some((r) => r.reload.address === addresses.admin.agent));
    assert.deepEqual(replicas.green[0], {
      name: "audit-svc-green-1",
      address: "172.29.96.48",
      port: 8080,
      reload: { network: "admin", address: "172.29.97.48", port: 8081 },
    });
  });

  it("reloads an image with one port on that port, and the other slot's image as that one needs", () => {
    const first = plan(1);
    const onePort = { image: image(2), replicas: 1, reloadOn: "main" } as const;
    const second = planRelease("audit-svc", onePort, first.next, addresses);
    assert.deepEqual(second.replicas.green[0]?.reload, { network: "front", address: "172.29.96.48", port: 8080 });
    assert.equal(second.replicas.blue[0]?.reload.network, "admin");
    const back = plan(1, second.next);
    assert.equal(back.replicas.green[0]?.reload.network, "front");
    assert.deepEqual(back.next.slots.green, second.wanted);
  });

  it("reads records of the first versions, which knew only the admin port", () => {
    const old: ReleaseState = {
      active: "blue",
      slots: { blue: { release: "older0000000", image: image(1), replicas: 2, memory: 256 } },
    };
    assert.equal(plan(2, old).replicas.blue[0]?.reload.network, "admin");
  });
});
