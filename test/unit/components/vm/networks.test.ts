import assert from "node:assert/strict";
import { addressPlan, DockerHost, Networks } from "../../../../components";
import { messagesNameKeys } from "../../support/keys";
import { find, ofType, run, scriptOf } from "../../support/program";
import { TOOLS, world } from "../../support/world";

describe("Networks", () => {
  messagesNameKeys();

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

  it("creates all four in one /22 range, with the wanted MTU", async () => {
    const { resources } = await run(() => {
      const host = new DockerHost("vm", { address: "ssh://deploy@vm.example.test:2222", tools: TOOLS });
      return new Networks("audit", { host, range: "10.20.4.0/22", mtu: 1450 });
    });
    for (const [role, third] of Object.entries({ front: 4, admin: 5, egress: 6, edge: 7 })) {
      const { inputs } = find(resources, "Network", `audit-${role}`);
      assert.deepEqual(inputs.ipamConfigs, [{ subnet: `10.20.${third}.0/24`, gateway: `10.20.${third}.1` }]);
      assert.deepEqual(inputs.options, { "com.docker.network.driver.mtu": "1450" });
    }
  });

  it("keeps the addresses of the internal networks when the others join their range", () => {
    const addresses = (range: string) => {
      const plan = addressPlan(range);
      return [plan.front, plan.admin, plan.replica("green", 3)];
    };
    assert.deepEqual(addresses("172.29.96.0/22"), addresses("172.29"));
    for (const range of ["172.29.97.0/22", "172.29.96.0/24", "172.29.96", ""])
      assert.throws(() => addressPlan(range), /the range must be two octets/, range);
  });

  it("checks before a network is replaced whether all can be created and containers reach what they must", async () => {
    const { resources } = await run(() => {
      const host = new DockerHost("vm", { address: "ssh://deploy@vm.example.test:2222", tools: TOOLS });
      const peers = [{ host: "db.example.test", setting: "audit:databaseHost" }];
      return new Networks("audit", { host, range: "172.29", mtu: 1450, peers });
    });
    const look = find(resources, "Command", "audit-subnets");
    const script = scriptOf(look.inputs);
    assert.match(
      script,
      / free-networks\.sh audit-front 172\.29\.96\.0\/24 1450 internal audit-admin 172\.29\.97\.0\/24 1450 internal audit-egress - 1450 external audit-edge - 1450 external$/,
    );
    assert.ok(
      script.startsWith(
        "env RANGE_SETTING=audit:networkPrefix MTU_SETTING=audit:networkMtu 'PEERS=db.example.test audit:databaseHost' sh -c ",
      ),
    );
    for (const { name, dependsOn } of ofType(resources, "Network")) assert.ok(dependsOn.includes(look.urn), name);
  });
});
