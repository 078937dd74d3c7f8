import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { drift } from "../../../ci/drift";
import { commands, failsWith, jobWith } from "./support/job";
import { jobDirectory, login, output, OUTPUTS, settings } from "./support/stack";

describe("ci: drift", () => {
  const dir = jobDirectory();

  it("is green without differences", async () => {
    const { exec, calls } = commands({
      "pulumi config": settings,
      "stack output": output(OUTPUTS),
      "pulumi preview": () => ({}),
    });
    const { job, log } = jobWith(await login("drift"));
    await drift(job, exec, dir());
    const compared = calls.find(({ line }) => line.includes("preview --refresh --diff --expect-no-changes"));
    assert.ok(compared?.line.includes("--config audit:replicas=2 --config audit:memory=256 "));
    assert.equal(log.at(-1), "no drift");
  });

  it("is red with differences, and with what kept it from comparing", async () => {
    const changed = "Resources:\n    ~ 1 to update\nerror: no changes were expected but changes were proposed\n";
    const one = commands({
      "pulumi config": settings,
      "stack output": output(OUTPUTS),
      "pulumi preview": () => ({ code: 255, all: changed }),
    });
    await failsWith(
      drift(jobWith(await login("drift")).job, one.exec, dir()),
      "the installation differs from the program (Would change: ~ 1 to update.); see above or build/drift.txt, then deploy again or change the program",
    );
    const away = commands({
      "pulumi config": settings,
      "stack output": output(OUTPUTS),
      "pulumi preview": () => ({ code: 255, all: "error: ssh: connect to host vm2: Connection refused\n" }),
    });
    await failsWith(
      drift(jobWith(await login("drift")).job, away.exec, dir()),
      "Pulumi could not compare: ssh: connect to host vm2: Connection refused",
    );
    const never = commands({ "pulumi config": settings, "stack output": output({}) });
    await failsWith(
      drift(jobWith(await login("drift")).job, never.exec, dir()),
      "stack vm2 was never deployed, so there is nothing to compare",
    );
  });
});
