import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "mocha";
import { preview, summary } from "../../../ci/preview";
import { commands, failsWith, jobWith } from "./support/job";
import { double } from "./support/servers";
import { digest, jobDirectory, login, output, OUTPUTS, settings } from "./support/stack";

describe("ci: preview", () => {
  const dir = jobDirectory();

  const DIFF =
    "Previewing update (vm2):\n  ~ nginx:conf: update\n\nResources:\n    ~ 1 to update\n    +-2 to replace\n    71 unchanged\n";
  const request = {
    CI_MERGE_REQUEST_IID: "5",
    CI_PROJECT_ID: "42",
    CI_JOB_URL: "https://gitlab.example.com/j/9",
    CI_COMMIT_SHORT_SHA: "c0ffee12",
    GITLAB_TOKEN: "glpat-test",
  };
  const gitlab = () =>
    double(({ path, method }) => ({ body: path.endsWith("/user") ? { id: 7 } : method === "GET" ? [] : { id: 1 } }));

  it("shows what would change for the image that is deployed, as log, artifact and comment", async () => {
    const api = await gitlab();
    const { exec, calls } = commands({
      "pulumi config": settings,
      "stack output": output(OUTPUTS),
      "pulumi preview": () => ({ stdout: DIFF }),
    });
    const { job, log } = jobWith({ ...(await login("preview")), ...request, CI_API_V4_URL: api.url });
    await preview(job, exec, dir());
    assert.ok(
      calls
        .at(-1)
        ?.line.includes(`pulumi preview --diff --suppress-progress --config audit:image=${digest("a")} --stack vm2`),
    );
    assert.equal(readFileSync(join(dir(), "build/preview.txt"), "utf8"), DIFF);
    const { body } = JSON.parse(api.asked.at(-1)?.body ?? "") as { body: string };
    assert.match(
      body,
      /^<!-- pulumi-preview:vm2 -->\n### Pulumi preview of `vm2`\n\nWould change: ~ 1 to update, \+-2 to replace\.\n/,
    );
    assert.ok(log.includes("comment: made"));
  });

  it("never puts a secret into the comment or the artifact", async () => {
    const api = await gitlab();
    const { exec } = commands({
      "pulumi config": settings,
      "stack output": output(OUTPUTS),
      "pulumi preview": () => ({ stdout: `+ password: of-the-deployer\n${DIFF}` }),
    });
    await preview(jobWith({ ...(await login("preview")), ...request, CI_API_V4_URL: api.url }).job, exec, dir());
    assert.match(readFileSync(join(dir(), "build/preview.txt"), "utf8"), /password: \[MASKED\]/);
    assert.equal(api.asked.at(-1)?.body.includes("of-the-deployer"), false);
  });

  it("that fails is red, says so in the comment, and is not hidden by the comment's own failure", async () => {
    const broken = {
      "stack output": output(OUTPUTS),
      "pulumi preview": () => ({
        code: 255,
        all: "Diagnostics:\n    error: audit:replicas must be a whole number from 1 to 16\n",
      }),
    };
    const message = "Pulumi could not preview: audit:replicas must be a whole number from 1 to 16";
    const api = await gitlab();
    await failsWith(
      preview(
        jobWith({ ...(await login("preview")), ...request, CI_API_V4_URL: api.url }).job,
        commands(broken).exec,
        dir(),
      ),
      message,
    );
    assert.ok(api.asked.at(-1)?.body.includes("**The preview failed.** Pulumi could not preview"));
    const away = { ...(await login("preview")), ...request, CI_API_V4_URL: "http://127.0.0.1:1" };
    await failsWith(preview(jobWith(away).job, commands(broken).exec, dir()), message);
  });

  it("says why there is no comment", async () => {
    const { exec } = commands({
      "pulumi config": settings,
      "stack output": output({}),
      "pulumi preview": () => ({ stdout: DIFF }),
    });
    const { job, log } = jobWith({ ...(await login("preview")), ...request, GITLAB_TOKEN: "" });
    await preview(job, exec, dir());
    assert.equal(log.at(-1), "comment: none, GITLAB_TOKEN is not set; the diff is in the artifact build/preview.txt");
  });

  it("sums up", () => {
    assert.equal(summary("Resources:\n    73 unchanged\n"), "Nothing would change.");
    assert.equal(summary(DIFF), "Would change: ~ 1 to update, +-2 to replace.");
  });
});
