import assert from "node:assert/strict";
import type { Properties } from "../../plugins/framework/values.js";
import { Containers, IMAGE, SLEEP, docker, inspect } from "./docker-containers.js";
import { InitFailed } from "./provider-client.js";

describe("docker stand-in: Container", function () {
  this.timeout(60_000);
  const containers = new Containers(`dtest-${process.pid}`);
  const container = () => containers.next();
  const named = (inputs?: Properties) => containers.inputs(inputs);

  it("has an empty list of envs in the state where the program gives none, and misses it in a state without", async () => {
    const one = container();
    assert.equal(await one.up(named()), "created");
    assert.deepEqual(one.state.envs, []);
    await one.refresh();
    assert.deepEqual(one.state.envs, []);
    assert.equal(await one.up(named()), "same");
    // As an older stand-in left it.
    delete one.state.envs;
    assert.deepEqual((await one.diff(named())).replaces, ["envs"]);
    await one.delete();
  });

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
    assert.equal(one.state.name, `${containers.last}`);
    assert.equal((one.state.ports as { external: number }[])[0]?.external === 0, false);
    assert.equal(
      inspect(one.id, "{{.State.Running}} {{.HostConfig.Memory}} {{.Config.User}}"),
      "true 67108864 65534:65534",
    );
    assert.equal(await one.up(inputs), "same");
    await one.refresh();
    assert.equal(await one.up({ ...inputs, envs: ["A=1", "B=2"] }), "same");
    await one.delete();
    assert.throws(() => inspect(`${containers.last}`, "{{.Id}}"));
  });

  it("names itself and keeps the name on updates", async () => {
    const one = container();
    assert.equal(await one.up({ image: IMAGE, command: SLEEP }), "created");
    assert.match(String(one.state.name), new RegExp(`^${containers.last}-[0-9a-f]{7}$`));
    const name = one.state.name;
    assert.equal(await one.up({ image: IMAGE, command: SLEEP, memory: 64, memorySwap: 64 }), "updated");
    assert.equal(one.state.name, name);
    await one.delete();
  });

  it("touches nothing in a preview", async () => {
    const one = container();
    await one.create(named(), { preview: true });
    assert.equal(one.id, "");
    assert.throws(() => inspect(`${containers.last}`, "{{.Id}}"));
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
