import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { idToken, type Pipeline } from "./support/id-token";
import { attached, run } from "./support/sandbox";

describe("journey: Vault for the pipeline", () => {
  const sandbox = attached();
  const logins: string[] = [];

  /** Logs in with an ID token, as a job does. @returns the token; what Vault said, when it refused */
  async function logIn(
    purpose: string,
    pipeline: Pipeline = {},
  ): Promise<{ token?: string; policies?: string[]; refused?: string }> {
    const response = await fetch(`${sandbox().get("VAULT_ADDR")}/v1/auth/jwt/login`, {
      method: "POST",
      body: JSON.stringify({ role: `audit-ci-${purpose}`, jwt: idToken(sandbox(), pipeline) }),
    });
    const answer = (await response.json()) as {
      auth?: { client_token: string; policies: string[] };
      errors?: string[];
    };
    if (answer.auth === undefined) return { refused: answer.errors?.join("; ") };
    logins.push(answer.auth.client_token);
    return { token: answer.auth.client_token, policies: answer.auth.policies };
  }
  const mayIn = async (token: string, ...paths: string[]) => {
    const found = await sandbox().vault<{ data: Record<string, string[]> }>(
      "POST",
      "sys/capabilities-self",
      { paths },
      token,
    );
    return Object.fromEntries(paths.map((path) => [path, found?.data[path]?.join(",")]));
  };
  const branch: Pipeline = { ref: "feature", ref_type: "branch", ref_protected: "false" };

  after(async () => {
    for (const token of logins) await sandbox().vault("POST", "auth/token/revoke-self", {}, token);
  });

  it("lets a protected tag of the project deploy, for an hour at the most", async () => {
    const { token, refused } = await logIn("deploy");
    assert.ok(token, refused);
    const self = await sandbox().vault<{ data: { explicit_max_ttl: number } }>(
      "GET",
      "auth/token/lookup-self",
      undefined,
      token,
    );
    assert.equal(self?.data.explicit_max_ttl, 3600);
    assert.deepEqual(
      await mayIn(
        token,
        "secret/data/ci/audit/deploy",
        "secret/data/ci/audit/preview",
        "secret/data/ci/audit/state-copy/sandbox",
        "ssh/sign/vm2",
      ),
      {
        "secret/data/ci/audit/deploy": "read",
        "secret/data/ci/audit/preview": "deny",
        "secret/data/ci/audit/state-copy/sandbox": "create,update",
        "ssh/sign/vm2": "update",
      },
    );
  });

  const refusals: [what: string, purpose: string, pipeline: Pipeline, why: RegExp][] = [
    ["an unprotected tag", "deploy", { ref_protected: "false" }, /ref_protected/],
    ["a branch", "deploy", branch, /ref_(protected|type)/],
    ["a protected branch", "deploy", { ...branch, ref: "main", ref_protected: "true" }, /ref_type/],
    ["another project's tag", "deploy", { project_path: "mallory/audit" }, /project_path/],
    ["another project's merge request", "preview", { ...branch, project_path: "mallory/audit" }, /project_path/],
    ["a token for another audience", "deploy", { aud: "https://other.example.test" }, /audience/],
    ["a token of another GitLab", "deploy", { iss: "https://gitlab.example.test" }, /issuer/],
    ["a token that has ended", "deploy", { life: -600 }, /expired/],
    ["a protected tag that wants to look for drift", "drift", {}, /ref/],
  ];
  for (const [what, purpose, pipeline, why] of refusals) {
    it(`refuses ${what}`, async () => {
      const { token, refused } = await logIn(purpose, pipeline);
      assert.equal(token, undefined, "it was let in");
      assert.match(refused ?? "", why);
    });
  }

  it("lets a merge request read its own secret and the copy of the state that has none, and nothing else", async () => {
    const { token, policies, refused } = await logIn("preview", branch);
    assert.ok(token, refused);
    assert.deepEqual(policies, ["audit-ci-preview", "default"]);
    const paths = {
      "secret/data/ci/audit/preview": "read",
      "secret/data/ci/audit/state-copy/sandbox": "read",
      "transit/decrypt/pulumi-sandbox": "deny",
      "transit/encrypt/pulumi-sandbox": "deny",
      "secret/data/ci/audit/deploy": "deny",
      "secret/data/audit-svc/sandbox": "deny",
      "secret/data/audit-svc/sandbox-tokens": "deny",
      "ssh/sign/vm2": "deny",
      "sys/policies/acl/audit-svc": "deny",
      "auth/approle/role/audit-svc/secret-id": "deny",
      "database/config/audit-svc": "deny",
    };
    assert.deepEqual(await mayIn(token, ...Object.keys(paths)), paths);
  });

  it("keeps from a deploy what would give it more than it has", async () => {
    const { token } = await logIn("deploy");
    assert.ok(token);
    const paths = [
      "sys/policies/acl/audit-deployer",
      "sys/policies/acl/audit-ci-preview",
      "auth/jwt/role/audit-ci-deploy",
      "auth/jwt/config",
      "auth/approle/role/other",
      "transit/keys/pulumi-sandbox",
      "sys/mounts/other",
      "auth/token/create",
      "database/creds/audit-svc",
      "secret/data/other",
    ];
    assert.deepEqual(await mayIn(token, ...paths), Object.fromEntries(paths.map((path) => [path, "deny"])));
  });

  it("finds nothing to change by the administrator's command", async () => {
    const dir = mkdtempSync(join(tmpdir(), "audit-vault-"));
    try {
      const address = sandbox().get("VAULT_ADDR");
      const publicKeys = [readFileSync(".sandbox/gitlab/public.pem", "utf8").trim()];
      const gitlab = { url: "https://gitlab.sandbox.test", project: "team/audit", publicKeys };
      writeFileSync(
        `${dir}/settings.json`,
        JSON.stringify({ gitlab, audience: address, transitKey: "pulumi-sandbox" }),
      );
      const { rootToken } = JSON.parse(readFileSync(".sandbox/vault.json", "utf8")) as { rootToken: string };
      const command = ["node", "--import", "tsx", "bootstrap/vault.ts", `${dir}/settings.json`, "--check"];
      const env = { ...sandbox().env, VAULT_TOKEN: rootToken };
      assert.deepEqual(await run(command, env), {
        code: 0,
        output: "nothing to change\n",
        stdout: "nothing to change\n",
      });
    } finally {
      rmSync(dir, { recursive: true });
    }
  });
});
