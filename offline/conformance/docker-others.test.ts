import assert from "node:assert/strict";
import { assertAutoname, assertEffects, assertHas, assertRefused, assertStable, effect } from "./harness/expect.js";
import { Bench } from "./harness/installed.js";
import type { Plugin } from "./harness/plugin.js";
import { unknownKeys } from "./harness/values.js";
import { IMAGE, docker, unique } from "./harness/world.js";

const NETWORK = "docker:index/network:Network";
const VOLUME = "docker:index/volume:Volume";
const IMAGE_TYPE = "docker:index/remoteImage:RemoteImage";

describe("docker: provider, Network, Volume, RemoteImage", () => {
  const bench = new Bench();
  let plugin: Plugin;
  before(async () => {
    plugin = await bench.configured("docker");
  });
  afterEach(() => bench.cleanUp());
  after(() => bench.close());

  describe("Provider", () => {
    it("takes sshOpts and registryAuth JSON-encoded", async () => {
      const other = await bench.open("docker");
      await other.configure({
        host: "unix:///var/run/docker.sock",
        sshOpts: ["-o", "ControlMaster=auto"],
        registryAuth: [{ address: "registry.invalid:5000", username: "u", password: "p" }],
      });
      await other.resource(VOLUME, unique("vol")).create({});
      await other.cleanUp();
      await other.stop();
    });

    it("keeps registryAuth with sorted keys, as it is in every state", async () => {
      const { config } = await plugin.checkConfig({
        registryAuth: JSON.stringify([{ username: "u", password: "a&b", address: "registry.invalid:5000" }]),
      });
      assert.equal(config.registryAuth, '[{"address":"registry.invalid:5000","password":"a\\u0026b","username":"u"}]');
    });

    it("refuses a setting that it does not know, by name", async () => {
      const { failures } = await plugin.checkConfig({ bogus: "1" });
      assert.match(failures.map((f) => f.property + f.reason).join(), /bogus/);
    });

    it("takes the host from DOCKER_HOST", async () => {
      const other = await bench.open("docker", { DOCKER_HOST: "unix:///no/such.sock" });
      await assert.rejects(
        other.configure().then(() => other.resource(VOLUME, unique("vol")).create({})),
        /no\/such\.sock|failed to connect to any docker daemon/,
      );
      await other.stop();
    });

    it("does not reach for an ssh host before it is needed", async () => {
      const other = await bench.open("docker");
      await other.configure({ host: "ssh://nobody@127.0.0.1:1", sshOpts: ["-o", "BatchMode=yes"] });
      const volume = other.resource(VOLUME, unique("vol"));
      await volume.previewCreate({});
      await assert.rejects(volume.create({}));
      await other.stop();
    });
  });

  describe("Network", () => {
    it("is named by itself, has its defaults, and every input replaces", async () => {
      const name = unique("net");
      const net = plugin.resource(NETWORK, name);
      const base = {
        driver: "bridge",
        labels: [{ label: "a", value: "b" }],
        options: { "com.docker.network.bridge.enable_icc": "true" },
      };
      const { inputs } = await net.check(base);
      assertHas(inputs, { __defaults: ["ipamDriver", "name"], ipamDriver: "default" });
      assertAutoname(inputs.name, name);
      await net.create(base);
      const { Name, Labels, Options, Driver } = (await docker.getNetwork(net.id).inspect()) as unknown as Record<
        string,
        unknown
      >;
      assert.deepEqual([Name, Labels, Options, Driver], [net.values.name, { a: "b" }, base.options, "bridge"]);
      await assertStable(net, base);
      await net.refresh();
      await assertStable(net, base);
      await assertEffects(net, base, [
        [{ labels: [{ label: "a", value: "c" }] }, "replace"],
        [{ labels: undefined }, "replace"],
        [{ internal: true }, "replace"],
        [{ driver: "macvlan" }, "replace"],
        [{ driver: undefined }, "none"],
        [{ options: { "com.docker.network.bridge.enable_icc": "false" } }, "replace"],
        [{ ipamConfigs: [{ subnet: "10.213.78.0/24" }] }, "replace"],
        [{ name: unique("other") }, "delete-before-replace"],
      ]);
    });

    it("shows in a preview what Docker will choose as unknown", async () => {
      const outputs = await plugin.resource(NETWORK, unique("net")).previewCreate({ internal: true });
      assertHas(outputs, { internal: true, ipamDriver: "default" });
      assert.deepEqual(unknownKeys(outputs), ["driver", "id", "ipamConfigs", "options", "scope"]);
    });

    it("is internal, with the subnet and gateway it was given", async () => {
      const net = plugin.resource(NETWORK, unique("net"));
      const inputs = { internal: true, ipamConfigs: [{ subnet: "10.213.79.0/24", gateway: "10.213.79.1" }] };
      await net.create(inputs);
      const found = (await docker.getNetwork(net.id).inspect()) as { Internal: boolean; IPAM: { Config: object[] } };
      assert.deepEqual(
        [found.Internal, found.IPAM.Config],
        [true, [{ Subnet: "10.213.79.0/24", Gateway: "10.213.79.1" }]],
      );
      await net.refresh();
      await assertStable(net, inputs);
      const same = plugin.resource(NETWORK, unique("net"));
      await assert.rejects(same.create(inputs), /overlaps/);
    });

    it("is found gone, and deleting it then is no error", async () => {
      const net = plugin.resource(NETWORK, unique("net"));
      await net.create({});
      await docker.getNetwork(net.id).remove();
      await net.delete();
      await net.create({});
      await docker.getNetwork(net.id).remove();
      assert.equal(await net.refresh(), undefined);
    });

    it("refuses an input that it does not know, by name", async () => {
      await assertRefused(plugin.resource(NETWORK, unique("net")), { bogus: 1 }, "bogus");
    });
  });

  describe("Volume", () => {
    it("is named by itself, and every input replaces", async () => {
      const name = unique("vol");
      const vol = plugin.resource(VOLUME, name);
      const base = { labels: [{ label: "a", value: "b" }] };
      await vol.create(base);
      assertAutoname(vol.id, name);
      assertHas(vol.outputs, { name: vol.id, driver: "local", mountpoint: `/var/lib/docker/volumes/${vol.id}/_data` });
      await assertStable(vol, base);
      await vol.refresh();
      await assertStable(vol, base);
      await assertEffects(vol, base, [
        [{ labels: [{ label: "a", value: "c" }] }, "replace"],
        [{ driver: "other" }, "replace"],
        [{ driverOpts: { type: "tmpfs", device: "tmpfs" } }, "replace"],
        [{ name: unique("other") }, "delete-before-replace"],
      ]);
      assert.deepEqual(unknownKeys(await vol.previewCreate(base)), ["driver", "id", "mountpoint"]);
    });

    it("passes the driver's options on", async () => {
      const vol = plugin.resource(VOLUME, unique("vol"));
      const base = { driver: "local", driverOpts: { type: "tmpfs", device: "tmpfs", o: "size=1m" } };
      await vol.create(base);
      assert.deepEqual((await docker.getVolume(vol.id).inspect()).Options, base.driverOpts);
      await vol.refresh();
      await assertStable(vol, base);
    });

    it("silently takes over a volume of the same name, and deletes it", async () => {
      const name = unique("shared");
      await docker.createVolume({ Name: name });
      const vol = plugin.resource(VOLUME, "v");
      await vol.create({ name });
      assert.equal(vol.id, name);
      await vol.delete();
      await assert.rejects(docker.getVolume(name).inspect(), /no such volume/);
    });

    it("is found gone, and deleting it then is no error", async () => {
      const vol = plugin.resource(VOLUME, unique("vol"));
      await vol.create({});
      await docker.getVolume(vol.id).remove();
      await vol.delete();
      await vol.create({});
      await docker.getVolume(vol.id).remove();
      assert.equal(await vol.refresh(), undefined);
    });
  });

  describe("RemoteImage", () => {
    it("finds what is there without pulling; only keepLocally changes in place", async () => {
      const image = plugin.resource(IMAGE_TYPE, "img");
      const base = { name: IMAGE, keepLocally: true };
      assertHas((await image.check(base)).inputs, { name: IMAGE, keepLocally: true });
      assert.deepEqual(unknownKeys(await image.previewCreate(base)), ["id", "imageId", "repoDigest"]);
      await image.create(base);
      const { Id } = await docker.getImage(IMAGE).inspect();
      assert.equal(image.id, Id + IMAGE);
      assertHas(image.outputs, { imageId: Id, name: IMAGE });
      await assertStable(image, base);
      await image.refresh();
      await assertStable(image, base);
      await assertEffects(image, base, [
        [{ keepLocally: false }, "update"],
        [{ name: "other:1" }, "replace"],
        [{ triggers: { a: "b" } }, "replace"],
        [{ pullTriggers: ["a"] }, "replace"],
        [{ platform: "linux/arm64" }, "replace"],
      ]);
      await image.update({ name: IMAGE, keepLocally: false });
      assertHas(image.outputs, { keepLocally: false });
      await image.update(base);
    });

    it("deletes the image unless keepLocally is set", async () => {
      for (const keepLocally of [true, false]) {
        const tag = `${unique("img")}:1`;
        await docker.getImage(IMAGE).tag({ repo: tag.slice(0, -2), tag: "1" });
        const image = plugin.resource(IMAGE_TYPE, "img");
        await image.create({ name: tag, keepLocally });
        await image.delete();
        const left = await docker
          .getImage(tag)
          .inspect()
          .then(
            () => true,
            () => false,
          );
        if (left) {
          await docker.getImage(tag).remove();
        }
        assert.equal(left, keepLocally, `keepLocally: ${keepLocally}`);
      }
    });

    it("is found gone when its tag is", async () => {
      const tag = `${unique("img")}:1`;
      await docker.getImage(IMAGE).tag({ repo: tag.slice(0, -2), tag: "1" });
      const image = plugin.resource(IMAGE_TYPE, "img");
      await image.create({ name: tag, keepLocally: true });
      await docker.getImage(tag).remove();
      assert.equal(await image.refresh(), undefined);
    });

    it("saves nothing of an image that cannot be pulled", async () => {
      const image = plugin.resource(IMAGE_TYPE, "img");
      await assert.rejects(image.create({ name: "127.0.0.1:1/none:1" }), /127\.0\.0\.1:1/);
      assert.equal(image.state, undefined);
    });

    it("refuses by name what is missing or unknown", async () => {
      const image = plugin.resource(IMAGE_TYPE, "img");
      await assertRefused(image, {}, "name");
      await assertRefused(image, { name: IMAGE, bogus: 1 }, "bogus");
    });
  });

  it("calls a replacement of something with a fixed name delete-before-replace, of another create-first", async () => {
    const fixed = plugin.resource(NETWORK, "fixed");
    const name = unique("fixed");
    await fixed.create({ name });
    assert.equal(effect(await fixed.diff({ name, internal: true })), "delete-before-replace");
  });
});
