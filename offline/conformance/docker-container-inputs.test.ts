import assert from "node:assert/strict";
import { assertAutoname, assertEffects, assertHas, assertRefused, assertStable, effect } from "./harness/expect.js";
import { Bench } from "./harness/installed.js";
import type { Plugin } from "./harness/plugin.js";
import { UNKNOWN, secret, secretKeys, unknownKeys } from "./harness/values.js";
import { IMAGE, sleeper, unique } from "./harness/world.js";

const CONTAINER = "docker:index/container:Container";

describe("docker Container: inputs, preview and differences", () => {
  const bench = new Bench();
  let plugin: Plugin;
  before(async () => {
    plugin = await bench.configured("docker");
  });
  afterEach(() => bench.cleanUp());
  after(() => bench.close());

  it("asks for previews and for secrets to be stripped", () => {
    assertHas(
      { ...plugin.flags },
      { acceptSecrets: false, supportsPreview: true, supportsAutonamingConfiguration: true },
    );
  });

  it("writes the name and the defaults into the inputs and records them", async () => {
    const name = unique("web");
    const { inputs } = await plugin.resource(CONTAINER, name).check({ image: IMAGE });
    assertAutoname(inputs.name, name);
    delete inputs.name;
    assert.deepEqual(inputs, {
      __defaults: [
        "containerReadRefreshTimeoutMilliseconds",
        "mustRun",
        "name",
        "networkMode",
        "removeVolumes",
        "restart",
        "start",
        "waitTimeout",
      ],
      image: IMAGE,
      containerReadRefreshTimeoutMilliseconds: 15000,
      mustRun: true,
      networkMode: "bridge",
      removeVolumes: true,
      restart: "no",
      start: true,
      waitTimeout: 60,
    });
  });

  it("records what the program sets as no default", async () => {
    const name = unique("web");
    const { inputs } = await plugin
      .resource(CONTAINER, name)
      .check({ image: IMAGE, name, mustRun: false, start: true });
    assertHas(inputs, {
      __defaults: ["containerReadRefreshTimeoutMilliseconds", "networkMode", "removeVolumes", "restart", "waitTimeout"],
      name,
      mustRun: false,
    });
  });

  it("keeps its autoname over updates and takes a new one for a replacement", async () => {
    const web = plugin.resource(CONTAINER, unique("web"));
    await web.create(sleeper());
    assert.equal((await web.check(sleeper())).inputs.name, web.values.name);
    assert.notEqual((await web.check(sleeper(), true)).inputs.name, web.values.name);
  });

  it("has an empty list of envs in its outputs when the program gives none", async () => {
    const web = plugin.resource(CONTAINER, unique("web"));
    await web.create(sleeper());
    assert.deepEqual(web.values.envs, []);
    await web.refresh();
    await assertStable(web, sleeper());
  });

  it("shows in a preview what it cannot know yet as unknown, and the rest as it will be", async () => {
    const outputs = await plugin.resource(CONTAINER, unique("web")).previewCreate({
      ...sleeper(),
      envs: [UNKNOWN],
      ports: [{ internal: 80 }],
      networksAdvanced: [{ name: UNKNOWN }],
      memory: 64,
    });
    assertHas(outputs, {
      image: IMAGE,
      command: ["sleep", "600"],
      memory: 64,
      mustRun: true,
      wait: false,
      networkMode: "bridge",
    });
    const unknown = unknownKeys(outputs);
    for (const key of [
      "id",
      "envs",
      "networksAdvanced",
      "networkDatas",
      "bridge",
      "containerLogs",
      "exitCode",
      "hostname",
    ]) {
      assert.ok(unknown.includes(key), `${key} is known`);
    }
  });

  it("is replaced delete-first by a change of any input that Docker cannot change", async () => {
    const web = plugin.resource(CONTAINER, unique("web"));
    const base = { ...sleeper(), envs: ["A=b"], labels: [{ label: "l", value: "v" }] };
    await web.create(base);
    await assertStable(web, base);
    await assertEffects(web, base, [
      [{ image: "sha256:0000000000000000000000000000000000000000000000000000000000000000" }, "delete-before-replace"],
      [{ command: ["sleep", "601"] }, "delete-before-replace"],
      [{ entrypoints: ["/bin/sh"] }, "delete-before-replace"],
      [{ envs: ["A=c"] }, "delete-before-replace"],
      [{ user: "1000" }, "delete-before-replace"],
      [{ readOnly: true }, "delete-before-replace"],
      [{ hostname: "h" }, "delete-before-replace"],
      [{ labels: [{ label: "l", value: "w" }] }, "delete-before-replace"],
      [{ networksAdvanced: [{ name: "bridge" }] }, "delete-before-replace"],
      [{ networkMode: "host" }, "delete-before-replace"],
      [{ mounts: [{ type: "tmpfs", target: "/x" }] }, "delete-before-replace"],
      [{ volumes: [{ containerPath: "/x" }] }, "delete-before-replace"],
      [{ ports: [{ internal: 80 }] }, "delete-before-replace"],
      [{ capabilities: { drops: ["ALL"] } }, "delete-before-replace"],
      [{ securityOpts: ["no-new-privileges"] }, "delete-before-replace"],
      [{ ulimits: [{ name: "nofile", soft: 10, hard: 10 }] }, "delete-before-replace"],
      [{ sysctls: { "net.core.somaxconn": "100" } }, "delete-before-replace"],
      [{ stopSignal: "SIGINT" }, "delete-before-replace"],
      [{ stopTimeout: 5 }, "delete-before-replace"],
      [
        { healthcheck: { tests: ["CMD", "true"] } },
        ["delete-before-replace", "update"],
        "up to upstream 4.5 it is an update that does nothing; the newest upstream replaces",
      ],
      [{ cpus: "0.5" }, "delete-before-replace"],
      [{ logDriver: "none" }, "delete-before-replace"],
      [{ logOpts: { "max-size": "1m" } }, "delete-before-replace"],
      [{ hosts: [{ host: "h", ip: "127.0.0.2" }] }, "delete-before-replace"],
      [{ dns: ["127.0.0.2"] }, "delete-before-replace"],
      [{ workingDir: "/tmp" }, "delete-before-replace"],
      [{ uploads: [{ file: "/x", content: "x" }] }, "delete-before-replace"],
      [{ name: unique("other") }, "delete-before-replace"],
    ]);
  });

  it("changes in place what Docker can change", async () => {
    const web = plugin.resource(CONTAINER, unique("web"));
    const base = sleeper();
    await web.create(base);
    await assertEffects(web, base, [
      [{ destroyGraceSeconds: 3 }, "update"],
      [{ memory: 64, memorySwap: 64 }, "update"],
      [{ memoryReservation: 32 }, "update"],
      [{ cpuShares: 512 }, "update"],
      [{ maxRetryCount: 2 }, "update"],
      [{ mustRun: false }, "update"],
      [{ removeVolumes: false }, "update"],
      [{ restart: "always" }, "update"],
      [{ rm: true }, "update"],
      [{ start: false }, "update"],
      [{ tmpfs: { "/x": "size=1m" } }, "update"],
      [{ wait: true }, "update"],
      [{ waitTimeout: 5 }, "update"],
      [{ init: true }, "update"],
      [{ logs: true }, "update"],
      [{ attach: true }, "update"],
    ]);
  });

  it("takes a computed input that is no longer set for no difference", async () => {
    const web = plugin.resource(CONTAINER, unique("web"));
    const base = { ...sleeper(), hostname: "h", stopSignal: "SIGINT", entrypoints: ["/usr/bin/env"] };
    await web.create(base);
    await assertEffects(web, base, [
      [{ hostname: undefined }, "none"],
      [{ stopSignal: undefined }, "none"],
      [{ entrypoints: undefined }, "none"],
      [{ command: undefined }, "none"],
    ]);
  });

  it("does not mind the order of sets, but minds that of lists", async () => {
    const web = plugin.resource(CONTAINER, unique("web"));
    const base = {
      ...sleeper(),
      envs: ["A=1", "B=2"],
      capabilities: { drops: ["CAP_CHOWN", "CAP_KILL"] },
      labels: [
        { label: "a", value: "1" },
        { label: "b", value: "2" },
      ],
    };
    await web.create(base);
    await assertStable(web, base);
    await assertEffects(web, base, [
      [{ envs: ["B=2", "A=1"] }, "none"],
      [{ labels: [...base.labels].reverse() }, "none"],
      [{ command: ["600", "sleep"] }, "delete-before-replace"],
    ]);
  });

  it("replaces for any spelling of a capability but the sorted CAP_X", async () => {
    for (const [adds, wanted] of [
      [["CAP_CHOWN", "CAP_NET_ADMIN"], "none"],
      [["NET_ADMIN"], "delete-before-replace"],
    ] as const) {
      const web = plugin.resource(CONTAINER, unique("web"));
      const inputs = { ...sleeper(), capabilities: { adds: [...adds], drops: ["ALL"] } };
      await web.create(inputs);
      await web.refresh();
      assert.equal(effect(await web.diff(inputs)), wanted, adds.join(" "));
    }
  });

  it("makes all of `envs` secret when one of them was", async () => {
    const web = plugin.resource(CONTAINER, unique("web"));
    await web.create({ ...sleeper(), envs: secret(["A=b"]) });
    assert.deepEqual(
      secretKeys(web.outputs).filter((k) => !k.startsWith("__")),
      ["envs"],
    );
  });

  it("refuses by name what is missing, unknown or of a wrong type", async () => {
    const web = plugin.resource(CONTAINER, unique("web"));
    await assertRefused(web, {}, "image");
    await assertRefused(web, { image: IMAGE, bogus: 1 }, "bogus");
    await assertRefused(web, { image: IMAGE, readOnly: "x" }, "readOnly");
    await assertRefused(web, { image: IMAGE, restart: "sometimes" }, "restart");
    await assertRefused(web, { image: IMAGE, memory: -2 }, "memory");
    await assertRefused(web, { image: IMAGE, ports: [{ external: 80 }] }, "internal");
    await assertRefused(web, { image: IMAGE, healthcheck: { tests: ["CMD", "true"], interval: "often" } }, "interval");
    await assertRefused(web, { image: IMAGE, mounts: [{ type: "other", target: "/x" }] }, "mounts");
    await assertRefused(web, { image: IMAGE, logs: true, attach: "x" }, "attach");
  });
});
