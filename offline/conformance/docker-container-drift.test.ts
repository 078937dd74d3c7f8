import assert from "node:assert/strict";
import { assertHas, assertStable, effect } from "./harness/expect.js";
import { Bench } from "./harness/installed.js";
import type { Plugin } from "./harness/plugin.js";
import { IMAGE, docker, sleeper, unique, until } from "./harness/world.js";

const CONTAINER = "docker:index/container:Container";
const NETWORK = "docker:index/network:Network";

describe("docker Container: refresh and drift", () => {
  const bench = new Bench();
  let plugin: Plugin;
  before(async () => {
    plugin = await bench.configured("docker");
  });
  afterEach(() => bench.cleanUp());
  after(() => bench.close());

  it("finds a container gone that was removed by hand", async () => {
    const web = plugin.resource(CONTAINER, unique("web"));
    await web.create(sleeper());
    await docker.getContainer(web.id).remove({ force: true });
    assert.equal(await web.refresh(), undefined);
  });

  it("sees a stopped container as `mustRun: false`; the update starts it, without waiting", async () => {
    const web = plugin.resource(CONTAINER, unique("web"));
    await web.create(sleeper());
    await docker.getContainer(web.id).stop({ t: 0 });
    await web.refresh();
    assertHas(web.outputs, { mustRun: false, exitCode: 137 });
    const diff = await web.diff(sleeper());
    assert.deepEqual([effect(diff), diff.diffs.includes("mustRun")], ["update", true]);
    await web.update(sleeper());
    await until("the container runs", async () => (await docker.getContainer(web.id).inspect()).State.Running);
  });

  it("wants to replace a stopped container that publishes ports", async () => {
    const web = plugin.resource(CONTAINER, unique("web"));
    const inputs = { ...sleeper(), ports: [{ internal: 80, ip: "127.0.0.1" }] };
    await web.create(inputs);
    await docker.getContainer(web.id).stop({ t: 0 });
    await web.refresh();
    const diff = await web.diff(inputs);
    assert.deepEqual([effect(diff), diff.replaces], ["delete-before-replace", ["ports"]]);
  });

  it("sees limits and the restart policy changed by hand, and changes them back in place", async () => {
    const web = plugin.resource(CONTAINER, unique("web"));
    const inputs = { ...sleeper(), memory: 64, memorySwap: 64, restart: "no" };
    await web.create(inputs);
    await docker.getContainer(web.id).update({
      Memory: 128 << 20,
      MemorySwap: 128 << 20,
      RestartPolicy: { Name: "always" },
    });
    await web.refresh();
    assertHas(web.outputs, { memory: 128, memorySwap: 128, restart: "always" });
    const diff = await web.diff(inputs);
    assert.deepEqual([effect(diff), diff.diffs], ["update", ["memory", "memorySwap", "restart"]]);
    await web.update(inputs);
    assert.equal((await docker.getContainer(web.id).inspect()).HostConfig.Memory, 64 << 20);
  });

  it("sees the name changed by hand", async () => {
    const web = plugin.resource(CONTAINER, unique("web"));
    await web.create(sleeper());
    const other = unique("renamed");
    await docker.getContainer(web.id).rename({ name: other });
    await web.refresh();
    assertHas(web.outputs, { name: other });
  });

  it("does not see a network that was left by hand", async () => {
    const network = plugin.resource(NETWORK, unique("net"));
    await network.create({});
    const web = plugin.resource(CONTAINER, unique("web"));
    const inputs = { ...sleeper(), networksAdvanced: [{ name: network.values.name, aliases: ["a"] }] };
    await web.create(inputs);
    await docker.getNetwork(network.id).disconnect({ Container: web.id, Force: true });
    await web.refresh();
    assertHas(web.outputs, { networkDatas: [] });
    await assertStable(web, inputs);
  });

  it("stores what Docker made of memory alone: twice as much swap, which then differs from nothing the program set", async () => {
    const web = plugin.resource(CONTAINER, unique("web"));
    const inputs = { ...sleeper(), memory: 64 };
    await web.create(inputs);
    assertHas(web.outputs, { memory: 64, memorySwap: 128 });
    await web.refresh();
    const diff = await web.diff(inputs);
    assert.deepEqual([effect(diff), diff.diffs], ["update", ["memorySwap"]]);
  });

  it("reads a container that it knows by its id only", async () => {
    const web = plugin.resource(CONTAINER, unique("web"));
    await web.create({ ...sleeper(), user: "1000", readOnly: true });
    const found = await plugin.resource(CONTAINER, "found").import(web.id);
    assert.equal(found?.id, web.id);
    assertHas(found?.outputs ?? {}, { image: IMAGE, name: web.values.name, user: "1000", readOnly: true });
  });

  it("compares an image by its id where the program gave an id, else by the name it was made with", async () => {
    const { Id } = await docker.getImage(IMAGE).inspect();
    const byId = plugin.resource(CONTAINER, unique("id"));
    await byId.create({ ...sleeper(), image: Id });
    await byId.refresh();
    await assertStable(byId, { ...sleeper(), image: Id });
    const byName = plugin.resource(CONTAINER, unique("name"));
    await byName.create(sleeper());
    await byName.refresh();
    await assertStable(byName, sleeper());
    assert.equal(effect(await byName.diff({ ...sleeper(), image: Id })), "delete-before-replace");
  });
});
