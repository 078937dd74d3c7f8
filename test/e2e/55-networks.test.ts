import assert from "node:assert/strict";
import { deploysUnderLoad } from "./support/deploys";
import { onVm2 } from "./support/pipeline";

/** In a company's network other ranges are taken, and the MTU is smaller than Docker's default. */
describe("scenario: subnets and MTU of the container networks", function () {
  this.timeout(600_000);
  const { deploys, nothingLost } = deploysUnderLoad();
  const NETWORKS = ["audit-front", "audit-admin", "audit-egress", "audit-edge"];

  /** Asserts that a deploy with these settings fails with this message and changes nothing. */
  async function isRefused(change: Record<string, string | number>, message: RegExp): Promise<void> {
    const before = await deploys().containers();
    const { code, output } = await deploys().up(change);
    assert.notEqual(code, 0, output);
    assert.match(output, message);
    assert.deepEqual(await deploys().containers(), before);
    const trials = await deploys().sandbox.docker("network", "ls", "--filter", "name=-trial", "--quiet");
    assert.equal(trials, "");
  }

  const inspect = (format: string) => deploys().sandbox.docker("network", "inspect", "--format", format, ...NETWORKS);

  it("refuses a range into which the VM has a route, without losing a request", async () => {
    await onVm2("ip route add blackhole 10.98.98.0/24");
    try {
      await isRefused(
        { networkPrefix: "10.98.96.0/22" },
        /network audit-egress cannot have 10\.98\.98\.0\/24 on this host: it has a route to 10\.98\.98\.0\/24\. .*audit:networkPrefix/,
      );
    } finally {
      await onVm2("ip route del blackhole 10.98.98.0/24");
    }
    await nothingLost();
  });

  it("refuses an MTU larger than that of the VM's own interface", async () => {
    // The VM's own MTU is not changed: with a smaller one, packets from its neighbours would be lost.
    await isRefused(
      { networkMtu: 1600 },
      /network audit-egress has an MTU of 1600, larger than the 1500 of eth0.* Set audit:networkMtu to 1500/,
    );
    await nothingLost();
  });

  it("gives all networks another range and MTU, in every container, even after a rollback", async () => {
    await deploys().mustUp({ memory: 232 });
    const { active } = await deploys().state();
    const change = { networkPrefix: "10.97.96.0/22", networkMtu: 1400 };
    await deploys().mustUp({ memory: 232, ...change });
    assert.equal(await inspect("{{range .IPAM.Config}}{{.Subnet}}{{end}}"), [96, 97, 98, 99].map((n) => `10.97.${n}.0/24`).join("\n")); // prettier-ignore
    await everyMtuIs("1400");
    assert.match(await deploys().mustUp({ memory: 232, ...change }), /Resources:\n\s+\d+ unchanged/);
    // A rollback to the other slot, whose containers were created on networks that no longer exist.
    await deploys().mustUp(change);
    assert.notEqual((await deploys().state()).active, active);
    await everyMtuIs("1400");
  });

  it("goes back to the other slot when the networks were replaced but kept their addresses", async () => {
    const change = { networkPrefix: "10.97.96.0/22", networkMtu: 1500 };
    await deploys().mustUp(change);
    const { active } = await deploys().state();
    await deploys().mustUp({ memory: 232, ...change });
    assert.notEqual((await deploys().state()).active, active);
    await everyMtuIs("1500");
  });

  it("keeps the MTU when it is no longer set, and returns to the former addresses", async () => {
    await deploys().mustUp();
    assert.match(
      await inspect("{{range .IPAM.Config}}{{.Subnet}}{{end}}"),
      /^172\.29\.96\.0\/24\n172\.29\.97\.0\/24\n/,
    );
    await everyMtuIs("1500");
    const { code, output } = await deploys().sandbox.pulumi(["preview", "--refresh", "--expect-no-changes"]);
    assert.equal(code, 0, output);
  });

  /** Asserts the MTU inside the containers. */
  async function everyMtuIs(mtu: string): Promise<void> {
    for (const name of (await deploys().sandbox.docker("ps", "--format", "{{.Names}}")).split("\n")) {
      const seen = await deploys().sandbox.docker("exec", name, "sh", "-c", "cat /sys/class/net/eth*/mtu");
      assert.deepEqual([...new Set(seen.split("\n"))], [mtu], name);
    }
  }
});
