import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, describe, it } from "mocha";
import { gitlabDifferences } from "../../../bootstrap/gitlab";
import { parseVaultSettings } from "../../../bootstrap/settings";
import { closeAll, double } from "../ci/support/servers";

const maintainers = [{ id: 1, access_level: 40, access_level_description: "Maintainers" }];
const developers = [{ id: 2, access_level: 30, access_level_description: "Developers + Maintainers" }];
/** Answers of a GitLab whose settings are the guide's, as its API's reference shows them. */
const RIGHT = {
  "": {
    ...{ id: 42, path_with_namespace: "team/audit", default_branch: "main" },
    ...{ restrict_user_defined_variables: true, ci_pipeline_variables_minimum_override_role: "maintainer" },
  },
  "/protected_tags": [{ name: "v*", create_access_levels: maintainers }],
  "/protected_branches": [
    {
      ...{ id: 1, name: "main", push_access_levels: [{ id: 3, access_level: 0 }], merge_access_levels: developers },
      ...{ allow_force_push: false },
    },
  ],
  "/protected_environments/vm2": { name: "vm2", deploy_access_levels: maintainers },
};

describe("what bootstrap --check checks in GitLab", () => {
  const dir = mkdtempSync(join(tmpdir(), "gitlab-"));
  afterEach(closeAll);
  after(() => rmSync(dir, { recursive: true }));

  const gitlab = (answers: Record<string, unknown> = {}) =>
    double(({ path, headers }) => {
      if (headers["private-token"] !== "glpat-1") return { status: 401 };
      const [, rest = ""] = /^\/api\/v4\/projects\/42([^?]*)/.exec(path) ?? [];
      const body = { ...RIGHT, ...answers }[rest as keyof typeof RIGHT];
      return body === undefined ? { status: 404 } : { body };
    });
  const settings = (url: string, change: object = {}, more: object = {}) =>
    parseVaultSettings(
      {
        gitlab: { url, project: "team/audit", projectId: 42, ...change },
        audience: "https://vault.example.test:8200",
        ...more,
      },
      "s",
    );
  const differences = async (answers: Record<string, unknown>, change?: object, more?: object) =>
    gitlabDifferences(settings((await gitlab(answers)).url, change, more), "glpat-1");

  it("is not reported if everything is as in the guide", async () => {
    assert.deepEqual(await differences({}), []);
    assert.deepEqual(await differences({}, { protectedEnvironment: "vm2" }), []);
    // Before 17.1.
    assert.deepEqual(
      await differences({ "": { ...RIGHT[""], ci_pipeline_variables_minimum_override_role: undefined } }),
      [],
    );
  });

  const cases: [what: string, answers: Record<string, unknown>, RegExp, change?: object][] = [
    [
      "tags that developers may create, whatever their pattern",
      { "/protected_tags": [...RIGHT["/protected_tags"], { name: "*", create_access_levels: developers }] },
      /^developers may create the protected tags \*, /,
    ],
    ["no protected tag", { "/protected_tags": [] }, /^no tag is protected/],
    ["another default branch", { "": { ...RIGHT[""], default_branch: "trunk" } }, /^the default branch is trunk, /],
    ["a project that has moved", { "": { ...RIGHT[""], path_with_namespace: "x/y" } }, /^project 42 is x\/y, /],
    ["a default branch without protection", { "/protected_branches": [] }, /^the branch main is not protected/],
    [
      "a protected branch to which developers push",
      { "/protected_branches": [...RIGHT["/protected_branches"], { name: "release/*", push_access_levels: developers }] }, // prettier-ignore
      /^developers may push to the protected branch release\/\* /,
    ],
    [
      "a default branch that may be rewritten",
      { "/protected_branches": [{ ...RIGHT["/protected_branches"][0], allow_force_push: true }] },
      /^the branch main may be rewritten/,
    ],
    [
      "variables from developers",
      { "": { ...RIGHT[""], ci_pipeline_variables_minimum_override_role: "developer" } },
      /^developers may give variables /,
    ],
    [
      "variables from anybody, in an older GitLab",
      { "": { ...RIGHT[""], restrict_user_defined_variables: false } },
      /^developers may give variables /,
    ],
    [
      "an environment that is not protected, or cannot be",
      { "/protected_environments/vm2": undefined },
      /^the environment vm2 is not protected, so Vault lets no deploy in/,
      { protectedEnvironment: "vm2" },
    ],
    [
      "an environment to which developers deploy",
      { "/protected_environments/vm2": { deploy_access_levels: developers } },
      /^developers may deploy to the environment vm2/,
      { protectedEnvironment: "vm2" },
    ],
  ];
  for (const [what, answers, why, change] of cases) {
    it(`is ${what}`, async () => {
      const found = await differences(answers, change);
      assert.equal(found.length, 1, found.join("\n"));
      assert.match(found[0] ?? "", why);
    });
  }

  it("requires no protected tag if a branch is deployed", async () => {
    assert.deepEqual(await differences({ "/protected_tags": [] }, {}, { deployFrom: "branch" }), []);
  });

  it("says why it cannot check", async () => {
    const { url } = await gitlab();
    await assert.rejects(gitlabDifferences(settings(url), "wrong"), { message: /^GitLab refused GITLAB_TOKEN/ });
    const hidden = await gitlab({ "": undefined });
    await assert.rejects(gitlabDifferences(settings(hidden.url), "glpat-1"), {
      message: /^GitLab has no project 42 that GITLAB_TOKEN may see/,
    });
    const little = await double(({ path }) => (path.includes("protected") ? { status: 403 } : { body: RIGHT[""] }));
    await assert.rejects(gitlabDifferences(settings(little.url), "glpat-1"), {
      message: /^GITLAB_TOKEN may not read projects\/42\/protected_tags.* role Maintainer\.$/,
    });
  });

  describe("as reported by the command", () => {
    const run = async (answers: Record<string, unknown>, token?: string) => {
      const { url } = await gitlab(answers);
      const vault = await double(({ path }) =>
        path.startsWith("/v1/sys/") && /mounts|auth$/.test(path) ? { body: { data: {} } } : { status: 404 },
      );
      const file = join(dir, "vault.json");
      writeFileSync(file, JSON.stringify({ gitlab: { url, project: "team/audit", projectId: 42 }, audience: url }));
      return new Promise<{ code: unknown; stdout: string; stderr: string }>((done) =>
        execFile(
          process.execPath,
          ["--import", "tsx", "bootstrap/vault.ts", file, "--check"],
          { env: { PATH: process.env.PATH, VAULT_ADDR: vault.url, VAULT_TOKEN: "t", GITLAB_TOKEN: token } },
          (error, stdout, stderr) => done({ code: error?.code ?? 0, stdout, stderr }),
        ),
      );
    };

    it("is a difference like those in Vault, with exit code 3", async () => {
      const { code, stdout, stderr } = await run({ "/protected_branches": [] }, "glpat-1");
      assert.equal(code, 3, stderr);
      assert.match(stdout, /^differs: GitLab: the branch main is not protected/m);
      assert.match((await run({}, "glpat-1")).stdout, /^GitLab is as docs\/reference\.md says$/m);
    });

    it("is skipped without a token, with a message", async () => {
      assert.match((await run({})).stdout, /^GitLab was not checked: GITLAB_TOKEN is not set/m);
    });
  });
});
