import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "mocha";
import { publishCopy } from "../../../ci/lib/copy";
import { obtainCredentials } from "../../../ci/lib/credentials";
import { preview, summary } from "../../../ci/preview";
import { commands, failsWith, jobWith, tokenFor, vaultWith } from "./support/job";
import { double } from "./support/servers";
import { digest, jobDirectory } from "./support/stack";

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

  /** A Vault with what a merge request may read: the token for the comment, and the copy, if one was published. */
  const logins = async (stored: Record<string, unknown> = {}, published = true) => {
    writeFileSync(join(dir(), "Pulumi.yaml"), "name: audit\nruntime: nodejs\n");
    const secrets: Record<string, Record<string, unknown>> = { "secret/ci/audit/preview": stored };
    const vault = await vaultWith(secrets, ({ method, body }) => {
      if (method !== "PUT") return undefined;
      secrets["secret/ci/audit/state-copy/vm2"] = (JSON.parse(body) as { data: Record<string, unknown> }).data;
      return { body: {} };
    });
    const env = { VAULT_ADDR: vault.url, VAULT_ID_TOKEN: tokenFor({}) };
    if (published) {
      const { job } = jobWith(env);
      const resources = [{ urn: "urn", type: "pulumi:pulumi:Stack", outputs: { image: digest("a") } }];
      const copy = { state: { version: 4, deployment: { resources } }, deploy: "deploy v1.2.0 by alice", versions: {} };
      await publishCopy(job, await obtainCredentials(job, "deploy"), copy);
    }
    vault.asked.splice(0);
    return { vault, env };
  };
  const cli = (result: { code?: number; all?: string; stdout?: string }) =>
    commands({
      "stack init": ({ line }) => {
        writeFileSync(join(/-C (\S+)/.exec(line)?.[1] ?? "", "Pulumi.vm2.yaml"), "encryptionsalt: v1:salt\n");
        return {};
      },
      "stack import": () => ({}),
      "pulumi preview": () => result,
    });

  it("shows what would change for the image that is deployed, as log, artifact and comment", async () => {
    const api = await gitlab();
    const { exec, calls } = cli({ stdout: DIFF });
    const { job, log } = jobWith({ ...(await logins()).env, ...request, CI_API_V4_URL: api.url });
    await preview(job, exec, dir());
    const line = calls.at(-1)?.line ?? "";
    assert.ok(line.startsWith(`pulumi preview --diff --suppress-progress --config audit:image=${digest("a")} `), line);
    assert.equal(readFileSync(join(dir(), "build/preview.txt"), "utf8"), DIFF);
    const { body } = JSON.parse(api.asked.at(-1)?.body ?? "") as { body: string };
    assert.match(
      body,
      /^<!-- pulumi-preview:vm2 -->\n### Pulumi preview of `vm2`\n\nWould change: ~ 1 to update, \+-2 to replace\.\n/,
    );
    assert.match(body, /Previewed on a copy of the state of "deploy v1\.2\.0 by alice", .* It does not show /);
    assert.ok(log.includes("comment: made"));
  });

  it("logs out of Vault before the program runs, which gets no login at all", async () => {
    const { vault, env } = await logins({ GITLAB_TOKEN: "glpat-of-vault" });
    let left: string[] = [];
    const { exec, calls } = cli({ stdout: DIFF });
    const { job } = jobWith({ ...env, PGPASSWORD: "a-variable-for-all" });
    await preview(
      job,
      (...command) => {
        left = vault.asked.map(({ path }) => path);
        return exec(...command);
      },
      dir(),
    );
    assert.equal(left.at(-1), "/v1/auth/token/revoke-self");
    assert.deepEqual(
      left,
      vault.asked.map(({ path }) => path),
    );
    const given = JSON.stringify(calls.map(({ options }) => options.env));
    for (const value of ["hvs.the-token-of-the-job", "glpat-of-vault", "a-variable-for-all", env.VAULT_ID_TOKEN])
      assert.equal(given.includes(value), false, value);
  });

  it("refuses a secret that would give every branch a login", async () => {
    const { env } = await logins({
      GITLAB_TOKEN: "glpat-test",
      PULUMI_BACKEND_URL: "postgres://u:p@db/state",
      PGPASSWORD: "x",
    });
    await failsWith(
      preview(jobWith(env).job, commands({}).exec, dir()),
      "Vault's secret/ci/audit/preview has PULUMI_BACKEND_URL, PGPASSWORD; whoever can push a branch can read it, and a preview needs no login: leave nothing but GITLAB_TOKEN there",
    );
  });

  it("says when a variable gives it to every branch", async () => {
    const warned = async (more: object) => {
      const { job, log } = jobWith({ ...(await logins()).env, GRAFANA_AUTH: "admin:of-grafana", ...more });
      await preview(job, cli({ stdout: DIFF }).exec, dir());
      return log.filter((line) => line.startsWith("warning:"));
    };
    assert.deepEqual(await warned({}), [
      "warning: GRAFANA_AUTH given to a branch that is not protected; protect the variable, or move it to Vault",
    ]);
    assert.deepEqual(await warned({ CI_COMMIT_REF_PROTECTED: "true" }), []);
  });

  it("shows everything as new, and says why, before a deploy has published a copy", async () => {
    const api = await gitlab();
    const { exec, calls } = cli({ stdout: DIFF });
    const { env } = await logins({}, false);
    await preview(jobWith({ ...env, ...request, CI_API_V4_URL: api.url }).job, exec, dir());
    assert.equal(
      calls.some(({ line }) => line.includes("stack import")),
      false,
    );
    assert.match(api.asked.at(-1)?.body ?? "", /No deploy has published a copy of the stack's state yet, so everything is shown as new/); // prettier-ignore
  });

  it("never puts a secret into the comment or the artifact", async () => {
    const api = await gitlab();
    const { env } = await logins();
    const { exec } = cli({ stdout: `+ token: glpat-test\n${DIFF}` });
    await preview(jobWith({ ...env, ...request, CI_API_V4_URL: api.url }).job, exec, dir());
    assert.match(readFileSync(join(dir(), "build/preview.txt"), "utf8"), /token: \[MASKED\]/);
    assert.equal(api.asked.at(-1)?.body.includes("glpat-test"), false);
  });

  it("that fails ends the job with its error, says so in the comment, and is not hidden by the comment's own failure", async () => {
    const broken = { code: 255, all: "Diagnostics:\n    error: audit:replicas must be a whole number from 1 to 16\n" };
    const message = "Pulumi could not preview: audit:replicas must be a whole number from 1 to 16";
    const api = await gitlab();
    const { env } = await logins();
    await failsWith(
      preview(jobWith({ ...env, ...request, CI_API_V4_URL: api.url }).job, cli(broken).exec, dir()),
      message,
    );
    assert.ok(api.asked.at(-1)?.body.includes("**The preview failed.** Pulumi could not preview"));
    const away = { ...env, ...request, CI_API_V4_URL: "http://127.0.0.1:1" };
    await failsWith(preview(jobWith(away).job, cli(broken).exec, dir()), message);
  });

  it("says why there is no comment", async () => {
    const { job, log } = jobWith({ ...(await logins()).env, ...request, GITLAB_TOKEN: "" });
    await preview(job, cli({ stdout: DIFF }).exec, dir());
    assert.equal(log.at(-1), "comment: none, GITLAB_TOKEN is not set; the diff is in the artifact build/preview.txt");
  });

  it("summarizes the counts", () => {
    assert.equal(summary("Resources:\n    73 unchanged\n"), "Nothing would change.");
    assert.equal(summary(DIFF), "Would change: ~ 1 to update, +-2 to replace.");
  });
});
