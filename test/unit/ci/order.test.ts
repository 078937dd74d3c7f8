import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { after, before, describe, it } from "mocha";
import { exec } from "../../../ci/lib/exec";
import { refuseOlder, type Update } from "../../../ci/lib/order";
import { failsWith, jobWith, scratch } from "./support/job";

describe("ci: an older tag does not replace a newer one", () => {
  let dir: ReturnType<typeof scratch>;
  let root: string;
  let shallow: string;
  const commits: Record<string, string> = {};

  before(() => {
    dir = scratch();
    root = join(dir.path, "full");
    shallow = join(dir.path, "shallow");
    const git = (...args: string[]): string =>
      execFileSync("git", ["-C", root, "-c", "user.name=t", "-c", "user.email=t@example.com", ...args], { encoding: "utf8" }).trim(); // prettier-ignore
    execFileSync("git", ["init", "-q", "-b", "main", root]);
    const commit = (name: string): void => {
      git("commit", "-q", "--allow-empty", "-m", name);
      commits[name] = git("rev-parse", "HEAD");
    };
    commit("v1");
    commit("v2");
    git("checkout", "-q", "-b", "hotfix", commits.v1 ?? "");
    commit("v1.1");
    git("checkout", "-q", "main");
    execFileSync("git", ["clone", "-q", "--depth", "1", `file://${root}`, shallow]);
  });
  after(() => dir.remove());

  const update = (commit: string | undefined, pipeline: number, more: Partial<Update> = {}): Update => ({
    ...{ kind: "update", result: "succeeded", startTime: "2026-11-29T10:00:00.000Z" },
    message: `deploy ${commit ?? "?"} by alice: release a -> b (sha256:0); https://gitlab.example.com/team/audit/-/pipelines/${pipeline}`,
    environment: commit === undefined ? {} : { "git.head": commits[commit] ?? commit },
    ...more,
  });
  const deploy = (tag: string, pipeline: number, history: Update[], more: object = {}, at = root) => {
    const { job, log } = jobWith({
      ...{ CI_COMMIT_TAG: tag, CI_COMMIT_SHA: commits[tag] ?? tag, CI_PIPELINE_ID: String(pipeline) },
      ...more,
    });
    return refuseOlder(job, exec, history, at).then(() => log);
  };
  const refused = /^v1 is older than what is deployed, "deploy v2 by alice: .*\/pipelines\/11" of 2026-11-29T10:00:00\.000Z, so it is not deployed; to go back on purpose start the job rollback, or run this pipeline again with GO_BACK_TO set to v1$/; // prettier-ignore

  it("by its commit, whichever pipeline came first", async () => {
    await failsWith(deploy("v1", 10, [update("v2", 11)]), refused);
    await failsWith(deploy("v1", 12, [update("v2", 11)]), refused);
    assert.deepEqual(await deploy("v2", 9, [update("v1", 11)]), []);
  });

  it("by its pipeline, if the commits do not decide", async () => {
    await failsWith(deploy("v1.1", 10, [update("v2", 11)]), /^v1\.1 is older /);
    assert.deepEqual(await deploy("v1.1", 12, [update("v2", 11)]), []);
    // A repository for deployments: one commit deploys many images.
    await failsWith(deploy("v2", 10, [update("v2", 11)]), /^v2 is older /);
    for (const pipeline of [11, 12]) assert.deepEqual(await deploy("v2", pipeline, [update("v2", 11)]), []);
    // By hand, from a commit that this clone does not have.
    await failsWith(deploy("v2", 10, [update("c0ffee".repeat(6) + "abcd", 11)]), /^v2 is older /);
    assert.deepEqual(await deploy("v2", 10, [update("c0ffee".repeat(6) + "abcd", 11, { message: "by hand" })]), []);
  });

  it("unless GO_BACK_TO names it", async () => {
    await failsWith(deploy("v1", 10, [update("v2", 11)], { GO_BACK_TO: "v0" }), refused);
    const [line] = await deploy("v1", 10, [update("v2", 11)], { GO_BACK_TO: "v1\n" });
    assert.match(line ?? "", /^GO_BACK_TO names v1, so it may replace what is deployed, "deploy v2 by alice: /);
  });

  it("compared with what was deployed: no failed update, no refresh, nothing after a destroy", async () => {
    const past = [update("v2", 11, { result: "failed" }), update("v2", 11, { kind: "refresh" }), update("v1", 10)];
    assert.deepEqual(await deploy("v1", 10, past), []);
    assert.deepEqual(await deploy("v1", 10, [update(undefined, 12, { kind: "destroy" }), update("v2", 11)]), []);
    assert.deepEqual(await deploy("v1", 10, []), []);
  });

  it("and fails where the clone is too shallow to tell", () =>
    failsWith(
      deploy("v2", 12, [update("v1", 11)], {}, shallow),
      `the job cannot tell whether ${commits.v2} is older than the deployed ${commits.v1}: its clone is shallow; set GIT_DEPTH to 0`,
    ));
});
