import assert from "node:assert/strict";
import { bootstrap, rootToken } from "./support/bootstrap";
import { idToken, type Pipeline } from "./support/id-token";
import { attached } from "./support/sandbox";

describe("scenario: Vault for the pipeline", () => {
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

  it("lets a protected tag of the project deploy, for at most an hour", async () => {
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
    ["a protected tag that wants to look for drift", "drift", { pipeline_source: "schedule" }, /ref/],
    [
      "a pipeline that somebody started by hand and that wants to look for drift",
      "drift",
      { ...branch, ref: "main", ref_protected: "true", pipeline_source: "web" },
      /pipeline_source/,
    ],
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
      "secret/data/audit-svc/sandbox-tokens/writer-demo": "deny",
      "ssh/sign/vm2": "deny",
      "sys/policies/acl/audit-svc": "deny",
      "auth/approle/role/audit-svc/secret-id": "deny",
      "database/config/audit-svc": "deny",
    };
    assert.deepEqual(await mayIn(token, ...Object.keys(paths)), paths);
  });

  it("lets only publish sign images, with a key that nobody can export from Vault", async () => {
    const key = "transit/keys/audit-image";
    const paths = (sign: string, read: string) => ({
      "transit/sign/audit-image/sha2-256": sign,
      [key]: read,
      "transit/keys/audit-image/config": "deny",
      "transit/keys/audit-image/rotate": "deny",
      "transit/sign/pulumi-sandbox/sha2-256": "deny",
    });
    const publish = await logIn("publish", { ...branch, ref: "main", ref_protected: "true" });
    assert.ok(publish.token, publish.refused);
    const allowed = paths("update", "read");
    assert.deepEqual(await mayIn(publish.token, ...Object.keys(allowed)), allowed);
    for (const [purpose, pipeline] of [
      ["preview", branch],
      ["deploy", {}],
      ["drift", { ...branch, ref: "main", ref_protected: "true", pipeline_source: "schedule" }],
    ] as const) {
      const { token, refused } = await logIn(purpose, pipeline);
      assert.ok(token, refused);
      const denied = paths("deny", "deny");
      assert.deepEqual(await mayIn(token, ...Object.keys(denied)), denied, purpose);
    }
    const { refused } = await logIn("publish", branch);
    assert.match(refused ?? "", /ref_protected/, "an unprotected branch");
    const root = rootToken();
    const made = await sandbox().vault<{ data: Record<string, unknown> }>("GET", key, undefined, root);
    const { type, exportable, allow_plaintext_backup: backup, deletion_allowed: deletion } = made?.data ?? {};
    assert.deepEqual([type, exportable, backup, deletion], ["ecdsa-p256", false, false, false]);
    await assert.rejects(
      sandbox().vault("GET", "transit/export/signing-key/audit-image", undefined, root),
      /not exportable/,
    );
  });

  describe("a deploy's token", () => {
    let token = "";
    const all = 'path "*" { capabilities = ["create", "read", "update", "delete", "list", "sudo"] }';
    const ask = (method: string, path: string, body?: object, headers?: Record<string, string>) =>
      sandbox().vault<{ data: Record<string, unknown>; wrap_info?: { token: string } }>(
        method,
        path,
        body,
        token,
        headers,
      );
    before(async () => {
      token = (await logIn("deploy")).token ?? "";
    });

    const forbidden: [what: string, method: string, path: string, body?: object][] = [
      ["widen an agent's policy", "PUT", "sys/policies/acl/audit-svc", { policy: all }],
      ["write a policy of a name like an agent's", "PUT", "sys/policies/acl/audit-svc-mallory", { policy: all }],
      ["write its own policy", "PUT", "sys/policies/acl/audit-deployer", { policy: all }],
      ["delete an agent's policy", "DELETE", "sys/policies/acl/audit-svc"],
      ["give an agent other policies", "POST", "auth/approle/role/audit-svc", { token_policies: "audit-deployer" }],
      ["give them one field at a time", "POST", "auth/approle/role/audit-svc/policies", { token_policies: "root" }],
      ["unbind an agent's address", "DELETE", "auth/approle/role/audit-svc/token-bound-cidrs"],
      ["choose a secret_id", "POST", "auth/approle/role/audit-svc/custom-secret-id", { secret_id: "known" }],
      ["make another role", "POST", "auth/approle/role/audit-svc-mallory", { token_policies: "root" }],
      ["make a token", "POST", "auth/token/create", { policies: ["root"] }],
      ["make a token without a parent", "POST", "auth/token/create-orphan", { policies: ["root"] }],
      ["let other pipelines in", "POST", "auth/jwt/role/audit-ci-deploy", { bound_claims: {} }],
      ["trust another GitLab", "POST", "auth/jwt/config", { oidc_discovery_url: "https://gitlab.example.test" }],
      ["read the key of the state", "GET", "transit/export/encryption-key/pulumi-sandbox"],
      ["read what another job holds", "GET", "secret/data/ci/audit/publish"],
      ["read another team's secret", "GET", "secret/data/other"],
      ["write another team's secret", "POST", "secret/data/other", { data: {} }],
      ["have a login to the database made", "GET", "database/creds/audit-svc"],
      ["point Vault at another database", "POST", "database/config/audit-svc", { connection_url: "postgresql://x" }],
      ["have Vault make other logins", "POST", "database/roles/audit-svc", { db_name: "audit-svc" }],
      ["have certificates issued", "POST", "pki/issue/edge", { common_name: "audit.example.test" }],
      ["change who may log in to the VM", "POST", "ssh/roles/vm2", { allowed_users: "*" }],
      ["have a certificate of a month signed", "POST", "ssh/sign/vm2", { public_key: "ssh-ed25519 AAAA", ttl: "768h" }],
      ["mount an engine", "POST", "sys/mounts/other", { type: "kv" }],
      ["end other logins", "POST", "sys/leases/revoke-prefix/auth/approle"],
    ];
    for (const [what, method, path, body] of forbidden) {
      it(`may not ${what}`, () => assert.rejects(ask(method, path, body), /403/));
    }

    it("may do what a deploy needs: its secrets, the agent's secret_ids, the state's encryption", async () => {
      const secret = "secret/data/audit-svc/e2e-probe";
      await ask("POST", secret, { data: { a: "1" } });
      assert.deepEqual((await ask("GET", secret))?.data.data, { a: "1" });
      await ask("DELETE", secret.replace("data", "metadata"));
      const role = "auth/approle/role/audit-svc";
      assert.match(String((await ask("GET", "sys/policies/acl/audit-svc"))?.data.policy), /audit-svc\/sandbox/);
      assert.deepEqual((await ask("GET", role))?.data.token_policies, ["audit-svc"]);
      assert.ok((await ask("GET", `${role}/role-id`))?.data.role_id);
      const issued = await ask("POST", `${role}/secret-id`, { metadata: "{}" }, { "X-Vault-Wrap-TTL": "60s" });
      assert.ok(issued?.wrap_info?.token);
      const listed = (await ask("GET", `${role}/secret-id?list=true`))?.data.keys as string[];
      const unwrapped = await sandbox().vault<{ data: { secret_id_accessor: string } }>(
        "POST",
        "sys/wrapping/unwrap",
        undefined,
        issued.wrap_info.token,
      );
      const accessor = { secret_id_accessor: unwrapped?.data.secret_id_accessor };
      assert.ok(listed.includes(accessor.secret_id_accessor ?? "-"));
      assert.ok(await ask("POST", `${role}/secret-id-accessor/lookup`, accessor));
      await ask("POST", `${role}/secret-id-accessor/destroy`, accessor);
      const plaintext = Buffer.from("x").toString("base64");
      const sealed = await ask("POST", "transit/encrypt/pulumi-sandbox", { plaintext });
      const { ciphertext } = sealed?.data ?? {};
      assert.equal((await ask("POST", "transit/decrypt/pulumi-sandbox", { ciphertext }))?.data.plaintext, plaintext);
    });
  });

  it("finds nothing to change by the administrator's command", async () => {
    const { code, output } = await bootstrap(sandbox(), {}, { args: ["--check"] });
    assert.equal(code, 0, output);
    assert.match(output, /^nothing to change\nGitLab was not checked: GITLAB_TOKEN is not set .*\n$/);
  });
});
