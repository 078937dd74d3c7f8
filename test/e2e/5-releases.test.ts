import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { startLoad, type Load } from "./support/load";
import { attached, root, until } from "./support/sandbox";
import { pushVariant } from "./support/variant";

interface SlotState {
  active: "blue" | "green";
  slots: Partial<Record<"blue" | "green", { release: string; image: string; replicas: number }>>;
}

describe("journey: releases, while clients go on sending", function () {
  const sandbox = attached();
  let load: Load | undefined;
  let original: { image: string; memory: string };

  /** Deploys what was there at first, changed as given; never what an earlier test left in the settings. */
  const upArgs = (change: Partial<typeof original>) => [
    ...["up", "--yes", "--skip-preview"],
    ...Object.entries({ ...original, ...change }).flatMap(([key, value]) => ["--config", `audit:${key}=${value}`]),
  ];
  const up = (change: Partial<typeof original> = {}, ...options: string[]) =>
    sandbox().pulumi([...upArgs(change), ...options]);
  const mustUp = async (change: Partial<typeof original> = {}) => {
    const { code, output } = await up(change);
    assert.equal(code, 0, output);
    return output;
  };
  const state = async () =>
    JSON.parse(await sandbox().mustPulumi("stack", "output", "releases", "--json")) as SlotState;
  const ids = async () =>
    (await sandbox().docker("ps", "--all", "--no-trunc", "--format", "{{.Names}} {{.ID}}")).split("\n").sort();
  const running = async () =>
    (await sandbox().docker("ps", "--format", "{{.Names}}"))
      .split("\n")
      .filter((n) => /-(blue|green)-\d+$/.test(n))
      .sort();
  const serves = async (slot: string) => {
    const names = await running();
    assert.ok(names.length > 0 && names.every((name) => name.includes(slot)), `runs: ${names.join(", ")}`);
  };

  before(async () => {
    const config = JSON.parse(await sandbox().mustPulumi("config", "--json")) as Record<string, { value: string }>;
    original = { image: config["audit:image"]?.value ?? "", memory: config["audit:memory"]?.value ?? "256" };
  });
  beforeEach(() => {
    load = startLoad({
      url: sandbox().get("AUDIT_URL"),
      token: sandbox().get("AUDIT_TOKEN"),
      application: "demo",
    });
  });
  /** Ends the load of a test, which must not have lost anything. */
  const nothingLost = async () => {
    const result = await load?.stop();
    load = undefined;
    assert.deepEqual(result?.lost, {}, `of ${result?.stored} requests`);
    assert.ok((result?.stored ?? 0) > 100, `only ${result?.stored} requests were sent`);
  };
  afterEach(async () => {
    await load?.stop();
    load = undefined;
  });
  after(async () => {
    // The journeys that follow find what they would have found without this one.
    await up();
  });

  it("puts a new release in charge without losing a request, and keeps the old one stopped", async () => {
    const before = await state();
    await mustUp({ memory: "224" });
    await nothingLost();
    const after = await state();
    assert.notEqual(after.active, before.active);
    await serves(after.active);
    const old = await sandbox().docker("inspect", "--format", "{{.State.Status}}", `audit-svc-${before.active}-1`);
    assert.equal(old, "exited");
  });

  it("goes back by deploying the former release: a start and a flip, no new container", async () => {
    const before = await state();
    const containers = await ids();
    await mustUp();
    await nothingLost();
    const after = await state();
    assert.notEqual(after.active, before.active);
    await serves(after.active);
    assert.deepEqual(await ids(), containers, "a rollback must not make a container");
  });

  it("changes nothing at the second up", async () => {
    const output = await mustUp();
    await nothingLost();
    assert.match(output, /Resources:\n\s+\d+ unchanged/);
  });

  it("leaves the old release serving when the migration fails, and shows what it said", async () => {
    const before = await state();
    const image = await pushVariant(sandbox(), "bad-migration", [
      'ENTRYPOINT ["/bin/sh", "-c", "echo migration 042 cannot be applied: column is missing >&2; exit 3"]',
    ]);
    for (const attempt of ["first", "second"]) {
      const { code, output } = await up({ image });
      assert.notEqual(code, 0, `${attempt} up`);
      assert.match(output, /migration 042 cannot be applied/, `${attempt} up`);
    }
    await nothingLost();
    assert.deepEqual(await state(), before);
    await serves(before.active);
    await mustUp();
  });

  it("leaves the old release serving when the new one never becomes ready, also under a second up", async () => {
    const before = await state();
    const image = await pushVariant(sandbox(), "never-ready", [
      'ENTRYPOINT ["/bin/sh", "-c", "[ \\"$0\\" = migrate ] && exit 0; echo listening to nobody >&2; exec sleep 3600"]',
    ]);
    for (const options of [[], ["--refresh"]]) {
      const { code, output } = await up({ image }, ...options);
      assert.notEqual(code, 0, output);
      assert.match(output, new RegExp(`is not ready within \\d+ s .*slot ${before.active} serves on`), output);
      assert.match(output, /listening to nobody/, "the last lines of the failing container's log");
    }
    await nothingLost();
    assert.deepEqual(await state(), before);
    await mustUp();
    await serves(before.active);
  }).timeout(600_000);

  it("refuses an image that is not in the registry", async () => {
    const before = await state();
    const { code, output } = await up({ image: original.image.replace(/@.*/, `@sha256:${"0".repeat(64)}`) });
    assert.notEqual(code, 0);
    assert.match(output, /manifest unknown|not found|unknown/i);
    await nothingLost();
    assert.deepEqual(await state(), before);
    await mustUp();
  });

  it("survives a deploy that is killed on its way, at any moment", async () => {
    for (const seconds of [2, 4, 6, 8, 10]) {
      const child = spawn("pulumi", [...upArgs({ memory: String(300 + seconds) }), "--non-interactive"], {
        cwd: root,
        env: sandbox().env,
        stdio: "ignore",
        detached: true,
      });
      const gone = new Promise((done) => child.on("exit", done));
      await sleep(seconds * 1000);
      if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, "SIGKILL");
      await gone;
      await sandbox().pulumi(["cancel", "--yes"]);
    }
    await until("the next good deploy", 240, async () => {
      await mustUp();
      return true;
    });
    await nothingLost();
    const { active } = await state();
    await serves(active);
  }).timeout(600_000);
});
