import assert from "node:assert/strict";
import type { Properties } from "../../plugins/framework/values.js";
import { Containers, docker, inspect } from "./docker-containers.js";
import { InitFailed } from "./provider-client.js";

describe("docker stand-in: what a Container is given at its start", function () {
  this.timeout(60_000);
  const containers = new Containers(`dstart-${process.pid}`);
  const container = () => containers.next();
  const named = (inputs?: Properties) => containers.inputs(inputs);

  describe("wait", () => {
    const healthy = { healthcheck: { tests: ["CMD", "true"], interval: "1s" }, wait: true };
    const unhealthy = {
      healthcheck: { tests: ["CMD", "false"], interval: "1s", retries: 1 },
      wait: true,
      waitTimeout: 2,
    };

    it("waits until the container is healthy", async () => {
      const one = container();
      await one.up(named(healthy));
      assert.equal(inspect(one.id, "{{.State.Health.Status}}"), "healthy");
      await one.delete();
    });

    const failing = (error: Error) =>
      error instanceof InitFailed && error.message.includes("failed to be in healthy state");

    it("keeps an unhealthy container running and in the state, and the next run calls it good", async () => {
      const one = container();
      // With both of these given nothing is left that a half-way Create would have had to read.
      const inputs = named({ ...unhealthy, entrypoints: ["/usr/bin/env"] });
      await assert.rejects(one.up(inputs), failing);
      assert.equal(inspect(one.id, "{{.State.Running}}"), "true");
      assert.equal(await one.up(inputs), "updated");
      assert.equal(one.hasInitErrors, false);
      assert.notEqual(inspect(one.id, "{{.State.Health.Status}}"), "healthy");
      await one.delete();
    });

    it("replaces a container that failed half-way where command or entrypoints are left to the image", async () => {
      const one = container();
      await assert.rejects(one.up(named(unhealthy)), failing);
      assert.deepEqual((await one.diff(named(unhealthy))).replaces, ["entrypoints"]);
      await one.refresh();
      assert.deepEqual((await one.diff(named(unhealthy))).diffs, []);
      await one.delete();
    });

    it("fails without a healthcheck", async () => {
      const one = container();
      await assert.rejects(one.up(named({ wait: true })), /does not have a healthcheck defined/);
      await one.delete();
    });
  });

  describe("a container that has stopped", () => {
    it("is started by the next run after a refresh, without waiting", async () => {
      const one = container();
      await one.up(named());
      docker("stop", "-t", "0", one.id);
      assert.equal(await one.up(named()), "same");
      await one.refresh();
      assert.equal(one.state.mustRun, false);
      assert.equal(await one.up(named()), "updated");
      assert.equal(inspect(one.id, "{{.State.Running}}"), "true");
      await one.delete();
    });

    it("is replaced after a refresh when it publishes ports", async () => {
      const one = container();
      const inputs = named({ ports: [{ internal: 80, ip: "127.0.0.1" }] });
      await one.up(inputs);
      docker("stop", "-t", "0", one.id);
      await one.refresh();
      assert.deepEqual((await one.diff(inputs)).replaces, ["ports"]);
      await one.delete();
    });

    it("is left alone with mustRun false", async () => {
      const one = container();
      await one.up(named({ mustRun: false, command: ["true"] }));
      await one.refresh();
      assert.equal(await one.up(named({ mustRun: false, command: ["true"] })), "same");
      await one.delete();
    });
  });

  describe("attach", () => {
    it("waits for the end, keeps the logs, and a non-zero exit is no error", async () => {
      const one = container();
      const job = { command: ["sh", "-c", "echo out; echo err >&2; exit 3"], attach: true, logs: true, mustRun: false };
      await one.up(named(job));
      assert.equal(one.state.exitCode, 3);
      assert.deepEqual(String(one.state.containerLogs).trim().split("\n").sort(), ["err", "out"]);
      assert.equal(await one.up(named(job)), "same");
      await one.delete();
    });

    it("runs a finished job again at the next run when mustRun is left true", async () => {
      const one = container();
      const job = { command: ["true"], attach: true };
      await one.up(named(job));
      assert.equal(one.state.mustRun, false);
      assert.equal(await one.up(named(job)), "updated");
      await one.delete();
    });

    it("fails together with rm, and keeps no state", async () => {
      const one = container();
      await assert.rejects(one.up(named({ command: ["sleep", "0.5"], attach: true, rm: true })));
      assert.equal(one.id, "");
    });
  });

  describe("uploads", () => {
    it("puts files in before the start, with mode and owner", async () => {
      const one = container();
      const uploads = [
        { file: "/etc/made/plain", content: "text" },
        { file: "/etc/made/run", contentBase64: Buffer.from("bytes").toString("base64"), executable: true },
        { file: "/etc/made/owned", content: "x", permissions: "0600", owner: "10001", group: "10002" },
      ];
      await one.up(
        named({
          uploads,
          command: ["sh", "-c", "stat -c '%n %a %u:%g %s' /etc/made/*"],
          attach: true,
          logs: true,
          mustRun: false,
        }),
      );
      assert.deepEqual(String(one.state.containerLogs).trim().split("\n"), [
        "/etc/made/owned 600 10001:10002 1",
        "/etc/made/plain 644 0:0 4",
        "/etc/made/run 744 0:0 5",
      ]);
      await one.delete();
    });

    it("fails with a read-only root, after the container is there", async () => {
      const one = container();
      await assert.rejects(
        one.up(named({ readOnly: true, uploads: [{ file: "/x", content: "y" }] })),
        (error: Error) => error instanceof InitFailed && error.message.includes("read-only"),
      );
      assert.notEqual(one.id, "");
      await one.delete();
    });

    it("has no empty files", async () => {
      const one = container();
      await assert.rejects(one.up(named({ uploads: [{ file: "/x", content: "" }] })), /must be set/);
      await one.delete();
    });
  });

  describe("networks", () => {
    const network = `${containers.prefix}-net`;
    before(() => docker("network", "create", "--subnet", "172.31.78.0/24", network));
    after(() => docker("network", "rm", network));

    it("leaves bridge and joins each network with its aliases and address", async () => {
      const one = container();
      const inputs = named({ networksAdvanced: [{ name: network, aliases: ["blue"], ipv4Address: "172.31.78.10" }] });
      await one.up(inputs);
      const joined = JSON.parse(inspect(one.id, "{{json .NetworkSettings.Networks}}")) as Record<
        string,
        { Aliases: string[]; IPAddress: string }
      >;
      assert.deepEqual(Object.keys(joined), [network]);
      assert.equal(joined[network]?.IPAddress, "172.31.78.10");
      assert.ok(joined[network]?.Aliases.includes("blue"));
      await one.refresh();
      assert.equal(await one.up(inputs), "same");
      assert.deepEqual(
        (
          await one.diff(
            named({ networksAdvanced: [{ name: network, aliases: ["green"], ipv4Address: "172.31.78.10" }] }),
          )
        ).replaces,
        ["networksAdvanced"],
      );
      await one.delete();
    });

    it("does not notice that it was taken off its network", async () => {
      const one = container();
      const inputs = named({ networksAdvanced: [{ name: network }] });
      await one.up(inputs);
      docker("network", "disconnect", network, one.id);
      await one.refresh();
      assert.equal(await one.up(inputs), "same");
      await one.delete();
    });

    it("keeps the container in the state when a network is missing", async () => {
      const one = container();
      await assert.rejects(one.up(named({ networksAdvanced: [{ name: `${network}-none` }] })), InitFailed);
      assert.equal(inspect(one.id, "{{.State.Status}}"), "created");
      await one.delete();
    });
  });
});
