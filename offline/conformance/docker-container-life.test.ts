import assert from "node:assert/strict";
import { access } from "node:fs/promises";
import { InitFailed } from "./harness/errors.js";
import { assertEffects, assertHas, assertStable, effect } from "./harness/expect.js";
import { Bench } from "./harness/installed.js";
import type { Plugin } from "./harness/plugin.js";
import type { Props } from "./harness/values.js";
import { IMAGE, docker, inspect, sleeper, unique } from "./harness/world.js";

const CONTAINER = "docker:index/container:Container";
const NETWORK = "docker:index/network:Network";

describe("docker Container: create, update, delete", () => {
  const bench = new Bench();
  let plugin: Plugin;
  before(async () => {
    plugin = await bench.configured("docker");
  });
  afterEach(() => bench.cleanUp());
  after(() => bench.close());

  it("makes a container as it was told", async () => {
    const web = plugin.resource(CONTAINER, unique("web"));
    await web.create({
      image: IMAGE,
      entrypoints: ["/bin/sh", "-c"],
      command: ["exec sleep 600"],
      envs: ["A=b"],
      user: "1000:1000",
      readOnly: true,
      hostname: "inside",
      workingDir: "/tmp",
      labels: [{ label: "l", value: "v" }],
      mounts: [{ type: "tmpfs", target: "/t", tmpfsOptions: { sizeBytes: 1048576, mode: 0o1777 } }],
      tmpfs: { "/u": "size=1m" },
      ports: [{ internal: 80, ip: "127.0.0.1", protocol: "tcp" }],
      capabilities: { drops: ["ALL"] },
      securityOpts: ["no-new-privileges"],
      memory: 64,
      memorySwap: 64,
      cpuShares: 512,
      restart: "on-failure",
      maxRetryCount: 3,
      stopSignal: "SIGKILL",
      stopTimeout: 7,
      healthcheck: { tests: ["CMD", "true"], interval: "1h0m0s", timeout: "5s", retries: 2 },
      logDriver: "json-file",
      logOpts: { "max-size": "1m" },
      hosts: [{ host: "other", ip: "127.0.0.9" }],
      dns: ["127.0.0.9"],
      ulimits: [{ name: "nofile", soft: 100, hard: 200 }],
      init: true,
    });
    const { Config, HostConfig, Name } = await inspect(web.id);
    assert.equal(Name, `/${String(web.values.name)}`);
    assert.deepEqual(Config.Entrypoint, ["/bin/sh", "-c"]);
    assert.deepEqual(Config.Cmd, ["exec sleep 600"]);
    assert.ok(Config.Env.includes("A=b"));
    assert.equal(Config.User, "1000:1000");
    assert.equal(Config.Hostname, "inside");
    assert.equal(Config.WorkingDir, "/tmp");
    assert.equal(Config.Labels.l, "v");
    assertHas(Config, { StopSignal: "SIGKILL", StopTimeout: 7 });
    assert.deepEqual(Config.Healthcheck?.Test, ["CMD", "true"]);
    assert.equal(HostConfig.ReadonlyRootfs, true);
    assert.deepEqual(HostConfig.CapDrop, ["ALL"]);
    assert.deepEqual(HostConfig.SecurityOpt, ["no-new-privileges"]);
    assert.deepEqual([HostConfig.Memory, HostConfig.MemorySwap, HostConfig.CpuShares], [64 << 20, 64 << 20, 512]);
    assert.deepEqual(HostConfig.RestartPolicy, { Name: "on-failure", MaximumRetryCount: 3 });
    assert.deepEqual(HostConfig.Tmpfs, { "/u": "size=1m" });
    assert.equal(HostConfig.Mounts?.[0]?.TmpfsOptions?.SizeBytes, 1048576);
    assert.match(JSON.stringify(HostConfig.PortBindings), /"80\/tcp":\[\{"HostIp":"127.0.0.1"/);
    assert.deepEqual(HostConfig.ExtraHosts, ["other:127.0.0.9"]);
    assert.deepEqual(HostConfig.Dns, ["127.0.0.9"]);
    assert.equal(HostConfig.Init, true);
    assert.deepEqual(HostConfig.LogConfig, { Type: "json-file", Config: { "max-size": "1m" } });
    assertHas(web.outputs, { networkMode: "bridge", hostname: "inside", exitCode: null, memory: 64, memorySwap: 64 });
    const [port] = web.values.ports as Props[];
    assert.ok(Number(port?.external) > 0, "the port that Docker chose is read back");
  });

  it("is stable, also after a refresh, with all that the program uses set as provider-facts want it", async () => {
    const network = plugin.resource(NETWORK, unique("net"));
    await network.create({ driver: "bridge" });
    const web = plugin.resource(CONTAINER, unique("web"));
    const inputs = {
      ...sleeper(),
      envs: ["B=2", "A=1"],
      user: "1000:1000",
      readOnly: true,
      hostname: "inside",
      labels: [{ label: "l", value: "v" }],
      networksAdvanced: [{ name: network.values.name, aliases: ["alias"] }],
      mounts: [{ type: "tmpfs", target: "/t", tmpfsOptions: { sizeBytes: 1048576 } }],
      ports: [{ internal: 80, ip: "127.0.0.1" }],
      capabilities: { adds: ["CAP_CHOWN"], drops: ["ALL"] },
      securityOpts: ["no-new-privileges"],
      memory: 64,
      memorySwap: 64,
      healthcheck: { tests: ["CMD", "true"], interval: "1h0m0s", timeout: "5s", retries: 2 },
      logOpts: { "max-size": "1m" },
      restart: "unless-stopped",
      stopSignal: "SIGTERM",
    };
    await web.create(inputs);
    await assertStable(web, inputs);
    await web.refresh();
    await assertStable(web, inputs);
    assert.equal(
      effect(await web.diff({ ...inputs, ports: [{ internal: 81, ip: "127.0.0.1" }] })),
      "delete-before-replace",
    );
  });

  it("joins the networks it was told with their aliases and leaves the default bridge", async () => {
    const network = plugin.resource(NETWORK, unique("net"));
    await network.create({ ipamConfigs: [{ subnet: "10.213.77.0/24" }] });
    const web = plugin.resource(CONTAINER, unique("web"));
    await web.create({
      ...sleeper(),
      networksAdvanced: [{ name: network.values.name, aliases: ["one", "two"], ipv4Address: "10.213.77.9" }],
    });
    const networks = (await inspect(web.id)).NetworkSettings.Networks;
    assert.deepEqual(Object.keys(networks), [network.values.name]);
    const joined = networks[String(network.values.name)];
    assert.equal(joined?.IPAddress, "10.213.77.9");
    assert.deepEqual(
      ((joined as { Aliases?: string[] } | undefined)?.Aliases ?? []).filter((a) => ["one", "two"].includes(a)).sort(),
      ["one", "two"],
    );
    const [data] = web.values.networkDatas as Props[];
    assertHas(data ?? {}, { networkName: network.values.name, ipAddress: "10.213.77.9", ipPrefixLength: 24 });
  });

  it("saves nothing when Docker makes no container", async () => {
    const web = plugin.resource(CONTAINER, unique("web"));
    await assert.rejects(web.create({ ...sleeper(), image: "conformance.invalid/none:1" }), (error: Error) => {
      assert.equal(error instanceof InitFailed, false);
      assert.match(error.message, /conformance\.invalid\/none:1/);
      return true;
    });
    const name = unique("taken");
    const first = plugin.resource(CONTAINER, "first");
    await first.create({ ...sleeper(), name });
    await assert.rejects(web.create({ ...sleeper(), name }), (error: Error) => {
      assert.equal(error instanceof InitFailed, false);
      assert.match(error.message, /already in use/);
      return true;
    });
    assert.equal(web.state, undefined);
  });

  it("keeps what it made when starting fails: InitFailed with the id, and the container stays", async () => {
    const web = plugin.resource(CONTAINER, unique("web"));
    await assert.rejects(web.create({ ...sleeper(), command: ["/no/such/program"] }), (error) => {
      assert.ok(error instanceof InitFailed, String(error));
      assert.match(error.reasons.join(), /start container/);
      return true;
    });
    assert.equal((await inspect(web.id)).State.Status, "created");
  });

  describe("update", () => {
    it("changes memory, shares and the restart policy of the running container", async () => {
      const web = plugin.resource(CONTAINER, unique("web"));
      await web.create({ ...sleeper(), memory: 64, memorySwap: 64 });
      const { id } = web;
      await web.update({ ...sleeper(), memory: 96, memorySwap: 96, cpuShares: 256, restart: "always" });
      const { HostConfig } = await inspect(id);
      assert.deepEqual([HostConfig.Memory, HostConfig.MemorySwap, HostConfig.CpuShares], [96 << 20, 96 << 20, 256]);
      assert.equal(HostConfig.RestartPolicy?.Name, "always");
      assertHas(web.outputs, { memory: 96, memorySwap: 96, cpuShares: 256, restart: "always" });
    });

    it("reports a limit that Docker refuses as InitFailed, and the container runs on", async () => {
      const web = plugin.resource(CONTAINER, unique("web"));
      await web.create(sleeper());
      await assert.rejects(web.update({ ...sleeper(), memory: 64 }), (error) => {
        assert.ok(error instanceof InitFailed, String(error));
        assert.match(error.message, /memoryswap/);
        return true;
      });
      assert.equal((await inspect(web.id)).State.Running, true);
    });

    it("does nothing for tmpfs, init and rm but to save them", async () => {
      const web = plugin.resource(CONTAINER, unique("web"));
      await web.create(sleeper());
      await web.update({ ...sleeper(), tmpfs: { "/x": "" }, init: true, rm: true });
      const { HostConfig } = await inspect(web.id);
      assert.deepEqual([HostConfig.Tmpfs ?? {}, HostConfig.Init ?? false, HostConfig.AutoRemove], [{}, false, false]);
    });

    it("answers the update that changes nothing", async () => {
      const web = plugin.resource(CONTAINER, unique("web"));
      const { outputs } = await web.create(sleeper());
      const after = await web.update(sleeper());
      assertHas(after.outputs, { name: outputs.name, image: IMAGE });
    });
  });

  describe("delete", () => {
    const trap = (file: string): Props => ({
      image: IMAGE,
      command: ["sh", "-c", `trap 'touch /out/${file}; exit 0' TERM; touch /out/ready; while :; do sleep 0.1; done`],
      volumes: [{ containerPath: "/out", hostPath: bench.dir }],
    });
    const wasTrapped = async (file: string): Promise<boolean> => {
      return access(`${bench.dir}/${file}`).then(
        () => true,
        () => false,
      );
    };

    it("gives the old state's destroyGraceSeconds to end in", async () => {
      const web = plugin.resource(CONTAINER, unique("web"));
      await web.create({ ...trap("grace"), destroyGraceSeconds: 5 });
      await new Promise((resolve) => setTimeout(resolve, 300));
      await web.delete();
      assert.equal(await wasTrapped("grace"), true);
    });

    it("kills at once without it, whatever stopTimeout says", async () => {
      const web = plugin.resource(CONTAINER, unique("web"));
      await web.create({
        ...trap("nograce"),
        command: ["sh", "-c", "trap 'sleep 5' TERM; while :; do sleep 0.1; done"],
        stopTimeout: 30,
      });
      await new Promise((resolve) => setTimeout(resolve, 300));
      const start = Date.now();
      await web.delete();
      assert.ok(Date.now() - start < 4000, `took ${Date.now() - start} ms`);
    });

    it("is content with a container that is gone", async () => {
      const web = plugin.resource(CONTAINER, unique("web"));
      await web.create(sleeper());
      await docker.getContainer(web.id).remove({ force: true });
      await web.delete();
    });

    it("takes anonymous volumes along unless removeVolumes is off", async () => {
      for (const removeVolumes of [true, false]) {
        const web = plugin.resource(CONTAINER, unique("web"));
        await web.create({ ...sleeper(), volumes: [{ containerPath: "/anonymous" }], removeVolumes });
        const volume = (await inspect(web.id)).Mounts[0]?.Name ?? "";
        await web.delete();
        const left = await docker
          .getVolume(volume)
          .inspect()
          .then(
            () => true,
            () => false,
          );
        if (left) {
          await docker.getVolume(volume).remove();
        }
        assert.equal(left, !removeVolumes);
      }
    });
  });

  it("collides under create-before-delete where name or port are fixed", async () => {
    const name = unique("fixed");
    const old = plugin.resource(CONTAINER, "old");
    await old.create({ ...sleeper(), name });
    const other = plugin.resource(CONTAINER, "new");
    await assert.rejects(other.create({ ...sleeper(), name }), /Conflict|already in use/);
    await assertEffects(old, { ...sleeper(), name }, [[{ envs: ["A=b"] }, "delete-before-replace"]]);
  });
});
