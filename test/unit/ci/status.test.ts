import assert from "node:assert/strict";
import { status } from "../../../ci/status";
import { commands, failsWith, jobWith } from "./support/job";
import { jobDirectory, login, SECRETS, settings } from "./support/stack";

describe("ci: status", () => {
  jobDirectory();
  const run = async (code: number) => {
    const { exec, calls } = commands({ "pulumi config": settings, "audit.mjs": () => ({ code }) });
    const { job } = jobWith(await login("deploy"));
    return { done: status(job, exec), calls };
  };

  it("runs the command with the job's logins in the environment, and none of them as an argument", async () => {
    const { done, calls } = await run(0);
    await done;
    const { line, options } = calls.find((call) => call.line.includes("audit.mjs")) ?? assert.fail("it was not run");
    assert.match(line, /\/cli\/audit\.mjs status --stack vm2$/);
    assert.equal(options.env?.PGPASSWORD, SECRETS.PGPASSWORD);
    assert.equal(options.env.VAULT_TOKEN, "hvs.the-token-of-the-job");
    assert.equal(typeof options.echo, "function");
    for (const secret of Object.values(SECRETS)) assert.equal(line.includes(secret), false);
  });

  it("fails if something is wrong", async () => {
    const { done } = await run(1);
    await failsWith(done, /^something is wrong, see above; docs\/runbook\.md/);
  });
});
