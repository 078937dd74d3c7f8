import assert from "node:assert/strict";
import { find, ofType, run, scriptOf } from "../support/program";
import { world } from "../support/world";

describe("Networks", () => {
  it("makes internal what must not be reached from outside, and only that", async () => {
    const { resources } = await run(world);
    const networks = Object.fromEntries(ofType(resources, "Network").map((n) => [n.name, n.inputs]));
    assert.deepEqual(networks, {
      "audit-front": {
        name: "audit-front",
        driver: "bridge",
        internal: true,
        ipamConfigs: [{ subnet: "172.29.96.0/24", gateway: "172.29.96.1" }],
      },
      "audit-admin": {
        name: "audit-admin",
        driver: "bridge",
        internal: true,
        ipamConfigs: [{ subnet: "172.29.97.0/24", gateway: "172.29.97.1" }],
      },
      "audit-egress": { name: "audit-egress", driver: "bridge", internal: false },
      "audit-edge": { name: "audit-edge", driver: "bridge", internal: false },
    });
    for (const n of ofType(resources, "Network").filter((r) => r.type.startsWith("docker:"))) {
      assert.equal(n.deleteBeforeReplace, true, "a fixed name or subnet cannot be made twice");
    }
  });

  it("looks whether the subnets are free before a network gives way", async () => {
    const { resources } = await run(world);
    const subnets = find(resources, "Command", "audit-subnets");
    const script = scriptOf(subnets.inputs);
    for (const { name, inputs, dependsOn } of ofType(resources, "Network")) {
      assert.ok(dependsOn.includes(subnets.urn), name);
      const [ipam] = (inputs.ipamConfigs ?? []) as { subnet: string }[];
      assert.ok(ipam === undefined || script.includes(`--subnet ${ipam.subnet} ${name}-trial`), name);
    }
  });
});
