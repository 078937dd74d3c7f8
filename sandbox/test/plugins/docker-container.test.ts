import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";

import { baseImage } from "../../offline/conformance/harness/base-image.js";
import { InitFailed, Plugin, Resource } from "./provider-client.js";
import type { Properties } from "../../offline/plugins/framework/values.js";

const IMAGE = baseImage();
const TYPE = "docker:index/container:Container";
const PREFIX = `dtest-${process.pid}`;

function docker(...args: string[]): string {
  return execFileSync("docker", args, { stdio: ["ignore", "pipe", "pipe"] })
    .toString()
    .trim();
}

function inspect(name: string, format: string): string {
  return docker("inspect", "--format", format, name);
}

/** A program that runs until it is told to stop. */
const SLEEP = ["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.1; done"];

describe("docker stand-in: Container", function () {
  this.timeout(60_000);
  let plugin: Plugin;
  let count = 0;

  before(async () => {
    plugin = await Plugin.start("docker", { DOCKER_HOST: "" });
    await plugin.configure({});
  });
  after(async () => {
    const left = docker("ps", "-aq", "--filter", `name=^/${PREFIX}`);
    if (left !== "") docker("rm", "-fv", ...left.split("\n"));
    await plugin.stop();
  });

  const container = () => new Resource(plugin, TYPE, `${PREFIX}-${(count += 1)}`);
  const named = (inputs: Properties = {}) => ({ name: `${PREFIX}-${count}`, image: IMAGE, command: SLEEP, ...inputs });

  it("creates, finds nothing to do, and deletes", async () => {
    const one = container();
    const inputs = named({
      envs: ["B=2", "A=1"],
      labels: [{ label: "part", value: "test" }],
      memory: 64,
      memorySwap: 64,
      user: "65534:65534",
      readOnly: true,
      capabilities: { drops: ["ALL"] },
      securityOpts: ["no-new-privileges:true"],
      ports: [{ internal: 8080, ip: "127.0.0.1" }],
      mounts: [{ type: "tmpfs", target: "/scratch", tmpfsOptions: { sizeBytes: 1048576, mode: 0o700 } }],
      destroyGraceSeconds: 5,
    });
    assert.equal(await one.up(inputs), "created");
    assert.equal(one.state.name, `${PREFIX}-${count}`);
    assert.equal((one.state.ports as { external: number }[])[0]?.external === 0, false);
    assert.equal(
      inspect(one.id, "{{.State.Running}} {{.HostConfig.Memory}} {{.Config.User}}"),
      "true 67108864 65534:65534",
    );
    assert.equal(await one.up(inputs), "same");
    await one.refresh();
    assert.equal(await one.up({ ...inputs, envs: ["A=1", "B=2"] }), "same");
    await one.delete();
    assert.throws(() => inspect(`${PREFIX}-${count}`, "{{.Id}}"));
  });

  it("names itself and keeps the name on updates", async () => {
    const one = container();
    assert.equal(await one.up({ image: IMAGE, command: SLEEP }), "created");
    assert.match(String(one.state.name), new RegExp(`^${PREFIX}-${count}-[0-9a-f]{7}$`));
    const name = one.state.name;
    assert.equal(await one.up({ image: IMAGE, command: SLEEP, memory: 64, memorySwap: 64 }), "updated");
    assert.equal(one.state.name, name);
    await one.delete();
  });

  it("touches nothing in a preview", async () => {
    const one = container();
    await one.create(named(), { preview: true });
    assert.equal(one.id, "");
    assert.throws(() => inspect(`${PREFIX}-${count}`, "{{.Id}}"));
  });

  it("changes limits and the restart policy in place, everything else by replacement, the old one deleted first", async () => {
    const one = container();
    await one.up(named({ memory: 64, memorySwap: 64 }));
    const { id } = one;
    assert.equal(
      await one.up(named({ memory: 96, memorySwap: 96, restart: "unless-stopped", cpuShares: 512 })),
      "updated",
    );
    assert.equal(one.id, id);
    assert.equal(
      inspect(id, "{{.HostConfig.Memory}} {{.HostConfig.RestartPolicy.Name}} {{.HostConfig.CpuShares}}"),
      "100663296 unless-stopped 512",
    );
    for (const change of [
      { envs: ["A=1"] },
      { labels: [{ label: "a", value: "b" }] },
      { user: "1000" },
      { readOnly: true },
      { stopTimeout: 5 },
      { cpus: "0.5" },
    ]) {
      const diff = await one.diff(
        named({ memory: 96, memorySwap: 96, restart: "unless-stopped", cpuShares: 512, ...change }),
      );
      assert.deepEqual(diff.replaces, Object.keys(change));
      assert.equal(diff.deleteBeforeReplace, true);
    }
    await one.delete();
  });

  it("forgets a limit that Docker refused: the state holds it, and the next run is content", async () => {
    const one = container();
    await one.up(named({ memory: 64, memorySwap: 64 }));
    const tooMuch = named({ memory: 128, memorySwap: 64 });
    await assert.rejects(one.up(tooMuch), InitFailed);
    assert.equal(await one.up(tooMuch), "updated");
    assert.equal(inspect(one.id, "{{.HostConfig.Memory}}"), String(64 * 1024 * 1024));
    await one.refresh();
    assert.deepEqual((await one.diff(tooMuch)).diffs, ["memory"]);
    await one.delete();
  });

  it("says it changed init, rm and tmpfs, and changes nothing", async () => {
    const one = container();
    await one.up(named());
    assert.equal(await one.up(named({ init: true, rm: true, tmpfs: { "/x": "size=1m" } })), "updated");
    assert.equal(
      inspect(one.id, "{{.HostConfig.Init}} {{.HostConfig.AutoRemove}} {{.HostConfig.Tmpfs}}"),
      "false false map[]",
    );
    await one.refresh();
    assert.deepEqual([one.state.init, one.state.rm], [false, false]);
    await one.delete();
  });

  it("shows swap as a difference at every run when only memory is set", async () => {
    const one = container();
    await one.up(named({ memory: 64 }));
    assert.equal(one.state.memorySwap, 128);
    assert.deepEqual((await one.diff(named({ memory: 64 }))).diffs, ["memorySwap"]);
    await one.delete();
  });

  it("replaces at every run for cpus and durations that Go writes otherwise, and for capabilities after a refresh", async () => {
    const one = container();
    const written = {
      capabilities: { adds: ["net_admin"], drops: ["MKNOD"] },
      cpus: "1",
      healthcheck: { tests: ["CMD", "true"], interval: "90s" },
    };
    await one.up(named(written));
    // Right after Create, sets stand in the state as they were planned.
    assert.deepEqual((await one.diff(named(written))).replaces, ["cpus", "healthcheck"]);
    await one.refresh();
    assert.deepEqual((await one.diff(named(written))).replaces, ["capabilities", "cpus", "healthcheck"]);
    const canonical = {
      capabilities: { adds: ["CAP_NET_ADMIN"], drops: ["CAP_MKNOD"] },
      cpus: "1.0",
      healthcheck: { tests: ["CMD", "true"], interval: "1m30s" },
    };
    assert.deepEqual((await one.diff(named(canonical))).diffs, []);
    await one.delete();
  });

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
    const network = `${PREFIX}-net`;
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

  describe("delete", () => {
    const slow = { command: ["sh", "-c", "trap 'sleep 1; exit 0' TERM; while :; do sleep 0.1; done"] };

    it("kills at once without destroyGraceSeconds, whatever stopTimeout says", async () => {
      const one = container();
      await one.up(named({ ...slow, stopTimeout: 20 }));
      const started = Date.now();
      await one.delete();
      assert.ok(Date.now() - started < 1000, `took ${Date.now() - started} ms`);
    });

    it("gives the time of the state before, not of the program now", async () => {
      const one = container();
      await one.up(named(slow));
      const events = () =>
        docker(
          "events",
          "--since",
          String(since),
          "--until",
          String(Math.ceil(Date.now() / 1000) + 1),
          "--filter",
          `container=${one.state.name as string}`,
          "--filter",
          "event=die",
          "--format",
          "{{.Actor.Attributes.exitCode}}",
        );
      const since = Math.floor(Date.now() / 1000) - 1;
      assert.equal(await one.up(named({ ...slow, envs: ["NEW=1"], destroyGraceSeconds: 10 })), "replaced");
      assert.equal(events(), "137");
      assert.equal(await one.up(named({ ...slow, envs: ["NEW=2"], destroyGraceSeconds: 10 })), "replaced");
      assert.deepEqual(events().split("\n"), ["137", "0"]);
      await one.delete();
    });

    it("succeeds when the container has gone already", async () => {
      const one = container();
      await one.up(named());
      docker("rm", "-f", one.id);
      await one.delete();
    });
  });

  it("is gone after a refresh when somebody removed it", async () => {
    const one = container();
    await one.up(named());
    docker("rm", "-f", one.id);
    assert.equal(await one.refresh(), false);
  });

  it("saves nothing when the container was never made", async () => {
    const one = container();
    await assert.rejects(
      one.up(named({ image: "localhost:1/none:none" })),
      /Unable to create container with image localhost:1\/none:none/,
    );
    assert.equal(one.id, "");
  });

  it("refuses inputs that it does not implement, by name", async () => {
    const one = container();
    await assert.rejects(
      one.up(named({ gpus: "all" })),
      /sandbox stand-in: docker:index\/container:Container does not implement input gpus/,
    );
    await assert.rejects(one.up(named({ restart: "sometimes" })), /restart/);
  });
});
