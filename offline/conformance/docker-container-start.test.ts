import assert from "node:assert/strict";
import { InitFailed } from "./harness/errors.js";
import { assertHas, assertStable, effect } from "./harness/expect.js";
import { Bench } from "./harness/installed.js";
import type { Plugin } from "./harness/plugin.js";
import type { Props } from "./harness/values.js";
import { IMAGE, execIn, inspect, sleeper, unique } from "./harness/world.js";

const CONTAINER = "docker:index/container:Container";

describe("docker Container: what happens around its start", () => {
  const bench = new Bench();
  let plugin: Plugin;
  before(async () => {
    plugin = await bench.configured("docker");
  });
  afterEach(() => bench.cleanUp());
  after(() => bench.close());

  describe("wait", () => {
    it("returns once the container is healthy", async () => {
      const web = plugin.resource(CONTAINER, unique("web"));
      await web.create({
        ...sleeper(),
        wait: true,
        waitTimeout: 20,
        healthcheck: { tests: ["CMD", "true"], interval: "500ms", timeout: "5s", retries: 1 },
      });
      assert.equal((await inspect(web.id)).State.Health?.Status, "healthy");
    });

    const unhealthy = (more: Props = {}): Props => ({
      ...sleeper(),
      wait: true,
      waitTimeout: 3,
      healthcheck: { tests: ["CMD", "false"], interval: "500ms", timeout: "5s", retries: 1 },
      ...more,
    });

    it("fails after waitTimeout and leaves the container running; the saved state knows the inputs only", async () => {
      const web = plugin.resource(CONTAINER, unique("web"));
      const start = Date.now();
      await assert.rejects(web.create(unhealthy()), (error) => {
        assert.ok(error instanceof InitFailed, String(error));
        assert.match(error.reasons.join(), /healthy/);
        return true;
      });
      // The one check that fails is over after about a second.
      assert.ok(Date.now() - start >= 2400, `it stopped early, after ${Date.now() - start} ms`);
      const { State } = await inspect(web.id);
      assert.deepEqual([State.Running, State.Health?.Status], [true, "unhealthy"]);
      assertHas(web.outputs, { image: IMAGE, wait: true, waitTimeout: 3 });
      assert.ok(
        !web.values.hostname && !(web.values.networkDatas as unknown[] | null)?.length,
        "nothing was read back",
      );
      // So a computed input that the program leaves out and that forces replacement differs: `entrypoints` here.
      const diff = await web.diff(unhealthy());
      assert.deepEqual([effect(diff), diff.replaces], ["delete-before-replace", ["entrypoints"]]);
    });

    it("forgets the failure at the next update, where command and entrypoints are both given: the trap", async () => {
      const web = plugin.resource(CONTAINER, unique("web"));
      const inputs = unhealthy({ entrypoints: ["/usr/bin/env"] });
      await assert.rejects(web.create(inputs), InitFailed);
      assert.deepEqual((await web.diff(inputs)).replaces, []);
      await web.update(inputs);
      assert.equal((await inspect(web.id)).State.Health?.Status, "unhealthy");
    });

    it("shows no difference after a refresh either, though the container is still unhealthy", async () => {
      const web = plugin.resource(CONTAINER, unique("web"));
      await assert.rejects(web.create(unhealthy()), InitFailed);
      await web.refresh();
      await assertStable(web, unhealthy());
    });

    it("fails for a container without a health check", async () => {
      const web = plugin.resource(CONTAINER, unique("web"));
      await assert.rejects(web.create({ ...sleeper(), wait: true, waitTimeout: 5 }), (error) => {
        assert.ok(error instanceof InitFailed, String(error));
        assert.match(error.message, /healthcheck/);
        return true;
      });
    });
  });

  describe("uploads", () => {
    it("puts files into the container before it starts, with mode 0644, 0744 or `permissions`", async () => {
      const web = plugin.resource(CONTAINER, unique("web"));
      const inputs = {
        ...sleeper(),
        command: ["sh", "-c", "cat /etc/conf/plain > /tmp/at-start; exec sleep 600"],
        uploads: [
          { file: "/etc/conf/plain", content: "text" },
          { file: "/etc/conf/run", contentBase64: Buffer.from("bytes").toString("base64"), executable: true },
          { file: "/etc/conf/own", content: "x", permissions: "0600" },
        ],
      };
      await web.create(inputs);
      assert.equal(await execIn(web.id, "cat", "/tmp/at-start"), "text");
      assert.equal(await execIn(web.id, "cat", "/etc/conf/run"), "bytes");
      assert.equal(
        await execIn(web.id, "stat", "-c", "%a", "/etc/conf/plain", "/etc/conf/run", "/etc/conf/own"),
        "644\n744\n600",
      );
      await assertStable(web, inputs);
    });

    it("fails into a read-only container, after it was made", async () => {
      const web = plugin.resource(CONTAINER, unique("web"));
      await assert.rejects(
        web.create({ ...sleeper(), readOnly: true, uploads: [{ file: "/etc/x", content: "x" }] }),
        (error) => {
          assert.ok(error instanceof InitFailed, String(error));
          assert.match(error.message, /read-only/);
          return true;
        },
      );
    });

    it("refuses an upload without content or with two", async () => {
      for (const upload of [{ file: "/x" }, { file: "/x", content: "a", contentBase64: "YQ==" }]) {
        const web = plugin.resource(CONTAINER, unique("web"));
        await assert.rejects(web.create({ ...sleeper(), uploads: [upload] }), /content/);
      }
    });
  });

  describe("attach", () => {
    it("waits for the end, keeps logs and exit code, and takes a non-zero exit for no error", async () => {
      const job = plugin.resource(CONTAINER, unique("job"));
      const inputs = {
        image: IMAGE,
        command: ["sh", "-c", "echo said; exit 3"],
        attach: true,
        logs: true,
        mustRun: false,
      };
      await job.create(inputs);
      assertHas(job.outputs, { exitCode: 3 });
      assert.match(String(job.values.containerLogs), /said/);
      await assertStable(job, inputs);
    });
  });

  it("makes but does not start a container with `start: false`", async () => {
    const web = plugin.resource(CONTAINER, unique("web"));
    await web.create({ ...sleeper(), start: false, mustRun: false });
    assert.equal((await inspect(web.id)).State.Status, "created");
  });
});
