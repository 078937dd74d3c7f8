import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { times } from "../support/depth";
import { deploysUnderLoad } from "./support/deploys";
import { root, sandbox as cli, until } from "./support/sandbox";

describe("journey: releases, while clients go on sending", function () {
  const { deploys, nothingLost } = deploysUnderLoad();

  it("puts a new release in charge without losing a request, and keeps the old one stopped", async () => {
    const before = await deploys().state();
    await deploys().mustUp({ memory: 224 });
    await nothingLost();
    const after = await deploys().state();
    assert.notEqual(after.active, before.active);
    await deploys().serves(after.active);
    const old = await deploys().sandbox.docker(
      "inspect",
      "--format",
      "{{.State.Status}}",
      `audit-svc-${before.active}-1`,
    );
    assert.equal(old, "exited");
  });

  it("goes back by `make rollback`: a start and a flip, no new container", async () => {
    const before = await deploys().state();
    const containers = await deploys().containers();
    const { code, output } = await cli(["rollback"]);
    assert.equal(code, 0, output);
    await nothingLost();
    const after = await deploys().state();
    assert.notEqual(after.active, before.active);
    await deploys().serves(after.active);
    assert.deepEqual(await deploys().containers(), containers, "a rollback must not make a container");
    const release = (slot: "blue" | "green") => before.slots[slot]?.release ?? "";
    assert.match(
      output,
      new RegExp(`release ${release(before.active)} -> ${release(after.active)} in [0-9.]+ s, without a build`),
    );
  });

  it("changes nothing at the second up", async () => {
    const output = await deploys().mustUp();
    await nothingLost();
    assert.match(output, /Resources:\n\s+\d+ unchanged/);
  });

  it("survives a deploy that is killed on its way, at any moment", async () => {
    const moments = times(2, 10);
    for (let i = 1; i <= moments; i++) {
      // A whole deploy takes about ten seconds.
      const seconds = (i * 10) / (moments + 1);
      const child = spawn("pulumi", ["up", "--yes", "--skip-preview", "--non-interactive"], {
        cwd: root,
        env: deploys().env({ memory: 300 + i }),
        stdio: "ignore",
        detached: true,
      });
      const gone = new Promise((done) => child.on("exit", done));
      await sleep(seconds * 1000);
      if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, "SIGKILL");
      await gone;
      await deploys().sandbox.pulumi(["cancel", "--yes"]);
    }
    await until("the next good deploy", 240, async () => {
      await deploys().mustUp();
      return true;
    });
    await nothingLost();
    await deploys().serves((await deploys().state()).active);
  }).timeout(900_000);
});
