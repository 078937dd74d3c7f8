import assert from "node:assert/strict";
import { planVault } from "../../../bootstrap/plan";
import { given, settings } from "./support/vault-settings";

describe("Vault's set-up for the program and its pipeline", () => {
  it("gives each purpose a role only for this project and audience, and a token that expires", () => {
    const { ensure } = planVault(settings());
    const role = (purpose: string) => ensure.find((one) => one.path === `auth/jwt/role/audit-ci-${purpose}`)?.body;
    assert.deepEqual(role("deploy"), {
      role_type: "jwt",
      user_claim: "sub",
      bound_audiences: ["https://vault.example.test:8200"],
      bound_claims: { project_path: "team/audit", project_id: "42", ref_protected: "true", ref_type: "tag" },
      token_policies: ["audit-ci-deploy", "audit-ci-ssh", "audit-deployer"],
      token_ttl: 3600,
      token_explicit_max_ttl: 3600,
    });
    assert.deepEqual(role("preview")?.token_policies, ["audit-ci-preview"]);
    for (const purpose of ["preview", "publish", "deploy", "drift", "witness"]) {
      assert.deepEqual(role(purpose)?.bound_audiences, [given.audience], purpose);
      assert.ok(Number(role(purpose)?.token_explicit_max_ttl) <= 3600, purpose);
    }
  });

  it("lets drift and witness log in only from a schedule", () => {
    for (const purpose of ["drift", "witness"]) {
      const role = planVault(settings()).ensure.find((one) => one.path.endsWith(`/audit-ci-${purpose}`));
      assert.deepEqual(role?.body.bound_claims, {
        ...{ project_path: "team/audit", project_id: "42", ref_protected: "true", ref_type: "branch", ref: "main" },
        pipeline_source: "schedule",
      });
    }
  });

  it("lets a witness read the log's keys and the reader's token, and change nothing", () => {
    const { ensure, policies } = planVault(settings());
    const role = ensure.find((one) => one.path.endsWith("/audit-ci-witness"))?.body;
    assert.deepEqual(role?.token_policies, ["audit-ci-witness"]);
    const rules = [
      ...(policies["audit-ci-witness"] ?? "").matchAll(/path "([^"]+)" \{\n {2}capabilities = \[([^\]]*)\]/g),
    ];
    assert.deepEqual(
      rules.map(([, path, capabilities]) => `${path} ${capabilities}`),
      ["ci/audit/witness", "ci/audit/state-copy/*", "audit-svc/+/reader"].map((path) => `secret/data/${path} "read"`),
    );
  });

  it("lets drift change nothing, and read no secret but its own", () => {
    const { ensure, policies } = planVault(settings());
    const role = ensure.find((one) => one.path.endsWith("/audit-ci-drift"))?.body.token_policies as string[];
    assert.deepEqual(role, ["audit-ci-drift", "audit-ci-ssh-read", "audit-reader"]);
    const rules = role.flatMap((name) => [
      ...(policies[name] ?? "").matchAll(/path "([^"]+)" \{\n {2}capabilities = \[([^\]]*)\]/g),
    ]);
    const mayWrite = rules.filter(([, , capabilities]) => capabilities !== '"read"').map(([, path]) => path);
    assert.deepEqual(mayWrite, ["ssh/sign/vm2-read"]);
    const data = rules.map(([, path = ""]) => path).filter((path) => /^(secret\/data|transit)/.test(path));
    assert.deepEqual(data, [
      ...["secret/data/ci/audit/drift", "secret/data/ci/audit/state-copy/*"],
      // They show public keys alone.
      ...["transit/keys/audit-svc-log", "transit/keys/audit-svc-cluster-log"],
    ]);
  });

  it("limits drift's certificates to one command, which the caller cannot choose", () => {
    const { ensure, policies } = planVault(settings());
    const at = (path: string) => ensure.find((one) => one.path === path)?.body;
    assert.deepEqual(at("ssh/roles/vm2-read"), {
      ...at("ssh/roles/vm2"),
      default_critical_options: { "force-command": "/usr/local/bin/audit-docker-read" },
    });
    assert.equal(at("ssh/roles/vm2")?.default_critical_options, undefined);
    assert.match(
      policies["audit-ci-ssh-read"] ?? "",
      /^path "ssh\/sign\/vm2-read" \{\n.*\n {2}allowed_parameters = \{\n {4}"public_key" = \[\]\n {4}"valid_principals" = \[\]\n {2}\}\n\}\n$/,
    );
    const withKey = planVault(settings({ ssh: null }));
    assert.deepEqual(Object.keys(withKey.policies).filter((name) => name.includes("ssh")), []); // prettier-ignore
  });

  it("binds a deploy to the protected environment, where there is one", () => {
    const claims = (gitlab: object) =>
      planVault(settings({ gitlab: { ...given.gitlab, ...gitlab } })).ensure.find((one) =>
        one.path.endsWith("/audit-ci-deploy"),
      )?.body.bound_claims as Record<string, string>;
    assert.equal("environment" in claims({}), false);
    const { environment, environment_protected } = claims({ protectedEnvironment: "vm2" });
    assert.deepEqual([environment, environment_protected], ["vm2", "true"]);
  });

  it("lets only publish sign images, with a key that nobody can export from Vault, and no job use it otherwise", () => {
    const { createOnly, policies, ensure } = planVault(settings());
    assert.deepEqual(createOnly.find(({ path }) => path === "transit/keys/audit-image")?.body, { type: "ecdsa-p256" });
    assert.equal(
      policies["audit-ci-signing"],
      'path "transit/sign/audit-image/sha2-256" {\n  capabilities = ["update"]\n}\n' +
        'path "transit/keys/audit-image" {\n  capabilities = ["read"]\n}\n',
    );
    for (const { path, body } of ensure.filter((one) => one.path.startsWith("auth/jwt/role/")))
      assert.equal((body.token_policies as string[]).includes("audit-ci-signing"), path.endsWith("-publish"), path);
    for (const [name, policy] of Object.entries(policies))
      assert.equal(/audit-image|transit\/(sign|\*|\+)/.test(policy), name === "audit-ci-signing", name);
    const without = planVault(settings({ signing: null }));
    assert.doesNotMatch(JSON.stringify(without), /audit-image|audit-ci-signing/);
    const apart = planVault(settings({ signing: { mount: "signing", key: "images" } }));
    assert.deepEqual(apart.engines.signing, { type: "transit" });
    assert.match(apart.policies["audit-ci-signing"] ?? "", /^path "signing\/sign\/images\/sha2-256"/);
  });

  it("makes a key for the log, with which only the service's agent may sign; others may read its public half", () => {
    for (const [stack, agent, of] of [
      [{ log: "vault" }, "audit-svc", "audit-svc"],
      [{ log: "vault", platform: "kubernetes" }, "audit-svc-cluster", "audit-svc-cluster"],
      // It goes on with the log of a stack on a VM.
      [{ log: "vault", platform: "kubernetes", logPlatform: "vm" }, "audit-svc-cluster", "audit-svc"],
    ] as const) {
      const { createOnly, policies } = planVault(settings({ stack }));
      const key = `transit/keys/${of}-log`;
      assert.deepEqual(createOnly.find(({ path }) => path === key)?.body, {
        ...{ type: "ed25519", exportable: false, allow_plaintext_backup: false },
      });
      const may = (path: string, what: string) => `path "${path}" {\n  capabilities = ["${what}"]\n}\n`;
      assert.ok(policies[agent]?.includes(may(`transit/sign/${of}-log`, "update") + may(key, "read")));
      for (const [name, policy] of Object.entries(policies)) {
        assert.equal(policy.includes(`sign/${of}-log`), name === agent, name);
        if (["audit-deployer", "audit-reader"].includes(name)) assert.ok(policy.includes(may(key, "read")), name);
      }
    }
    assert.doesNotMatch(JSON.stringify(planVault(settings()).createOnly), /-log/);
    const apart = planVault(settings({ stack: { log: "vault", logTransitMount: "team/sign" } }));
    assert.deepEqual(apart.engines["team/sign"], { type: "transit" });
    assert.ok(apart.policies["audit-deployer"]?.includes('path "team/sign/keys/audit-svc-log"'));
  });

  it("makes certificates for VM2 expire after half an hour, and lets the caller choose neither lifetime nor options", () => {
    const { ensure, policies } = planVault(settings());
    const { body } = ensure.find((one) => one.path === "ssh/roles/vm2") ?? {};
    assert.deepEqual([body?.ttl, body?.max_ttl, body?.default_extensions], [1800, 1800, {}]);
    assert.match(
      policies["audit-ci-ssh"] ?? "",
      /allowed_parameters = \{\n {4}"public_key" = \[\]\n {4}"valid_principals" = \[\]\n {2}\}/,
    );
  });

  it("lets a repository for deployments deploy from its default branch instead of tags", () => {
    const { ensure } = planVault(settings({ deployFrom: "branch" }));
    assert.deepEqual(ensure.find((one) => one.path.endsWith("/audit-ci-deploy"))?.body.bound_claims, {
      project_path: "team/audit",
      project_id: "42",
      ref_protected: "true",
      ref_type: "branch",
      ref: "main",
    });
  });

  it("gives a preview nothing to write with", () => {
    const { policies } = planVault(settings());
    const may = (path: string, ...what: string[]) =>
      `path "secret/data/ci/audit/${path}" {\n  capabilities = [${what.map((w) => `"${w}"`).join(", ")}]\n}\n`;
    assert.equal(policies["audit-ci-preview"], may("preview", "read") + may("state-copy/*", "read"));
    assert.equal(policies["audit-ci-deploy"], may("deploy", "read") + may("state-copy/*", "create", "update"));
    assert.equal(policies["audit-ci-publish"], may("publish", "read"));
  });

  it("lets a deploy write no policy or role: whoever can write one is an administrator", () => {
    const deployer = planVault(settings({ stack: { databaseCredentials: "dynamic", databaseHost: "db" } })).policies[
      "audit-deployer"
    ];
    const rules = [...(deployer ?? "").matchAll(/path "([^"]+)" \{\n {2}capabilities = \[([^\]]*)\]/g)];
    const mayWrite = rules
      .filter(([, , capabilities]) => /create|update|delete|sudo/.test(capabilities ?? ""))
      .map(([, path]) => path);
    assert.deepEqual(mayWrite, [
      ...["data", "metadata", "delete", "undelete", "destroy"].map((verb) => `secret/${verb}/audit-svc/*`),
      ...["audit-svc", "audit-edge-certificate"].flatMap((name) =>
        ["", "-accessor/lookup", "-accessor/destroy"].map((end) => `auth/approle/role/${name}/secret-id${end}`),
      ),
      ...["audit-svc", "audit-svc-cluster"].flatMap((name) => [
        ...[`database/config/${name}`, `database/rotate-root/${name}`],
        `sys/leases/revoke-prefix/database/creds/${name}`,
      ]),
      "transit/encrypt/pulumi",
      "transit/decrypt/pulumi",
    ]);
    assert.match(
      deployer ?? "",
      /path "database\/config\/audit-svc" \{\n.*\n {2}allowed_parameters = \{\n {4}"password" = \[\]\n {4}"verify_connection" = \[\]\n {2}\}/,
    );
  });

  it("lets the pods of a stack on a cluster log in by their service accounts, with names that no stack on a VM has", () => {
    const stack = {
      ...{ platform: "kubernetes", kubeNamespace: "log", vaultKubernetesMount: "k8s/one", vaultAudience: "vault.test" },
      ...{ vaultPath: "audit-svc/cluster", tls: "vault", tlsPkiRole: "edge" },
      ...{ databaseCredentials: "dynamic", databaseHost: "db.example.test" },
    };
    const { methods, policies, ensure } = planVault(settings({ stack }));
    assert.deepEqual(methods["k8s/one"], { type: "kubernetes" });
    assert.equal(policies["audit-svc"], undefined);
    assert.match(
      policies["audit-svc-cluster"] ?? "",
      /^path "secret\/data\/audit-svc\/cluster" \{\n {2}capabilities = \["read"\]/,
    );
    assert.match(policies["audit-svc-cluster"] ?? "", /path "database\/creds\/audit-svc-cluster"/);
    assert.match(policies["audit-edge-certificate-cluster"] ?? "", /^path "pki\/issue\/edge"/);
    const roles = ensure.filter(({ path }) => path.startsWith("auth/k8s/one/role/"));
    const role = (name: string, account: string) => ({
      path: `auth/k8s/one/role/${name}`,
      body: {
        bound_service_account_names: [account],
        bound_service_account_namespaces: ["log"],
        audience: "vault.test",
        token_policies: [name],
        token_no_default_policy: true,
        token_period: 3600,
      },
    });
    assert.deepEqual(roles, [
      role("audit-svc-cluster", "audit-svc"),
      role("audit-edge-certificate-cluster", "audit-edge"),
    ]);
    assert.ok(!ensure.some(({ path }) => path.startsWith("auth/approle/role/")));
    assert.ok(ensure.some(({ path }) => path === "database/roles/audit-svc-cluster"));
  });

  it("refuses what a stack on a cluster has not, and two auth methods at one path", () => {
    const refused = (stack: object) => () => settings({ stack: { platform: "kubernetes", ...stack } });
    assert.throws(refused({ hostCidr: "10.0.0.20/32" }), /stack\.hostCidr: is for platform vm; remove it/);
    assert.throws(
      refused({ vaultKubernetesMount: "jwt" }),
      /stack\.vaultKubernetesMount: must differ from jwtMount \(jwt\)/,
    );
  });

  it("writes exactly the rights of the stack's agents, and the server of Vault's own login", () => {
    const stack = {
      ...{ vaultPath: "audit-svc/vm9", hostCidr: "10.0.0.20/32", tls: "vault", tlsPkiRole: "edge" },
      ...{ databaseCredentials: "dynamic", databaseHost: "db.example.test", databaseSslMode: "verify-full" },
    };
    const { policies, ensure } = planVault(settings({ stack }));
    assert.match(policies["audit-svc"] ?? "", /^path "secret\/data\/audit-svc\/vm9" \{\n {2}capabilities = \["read"\]/);
    assert.match(policies["audit-svc"] ?? "", /path "database\/creds\/audit-svc"/);
    assert.match(policies["audit-edge-certificate"] ?? "", /^path "pki\/issue\/edge"/);
    const at = (path: string) => ensure.find((one) => one.path === path)?.body;
    assert.deepEqual(at("auth/approle/role/audit-svc")?.secret_id_bound_cidrs, ["10.0.0.20/32"]);
    assert.equal(
      at("database/config/audit-svc")?.["connection_details.connection_url"],
      "postgresql://{{username}}:{{password}}@db.example.test:5432/audit?sslmode=verify-full",
    );
    assert.deepEqual(at("database/roles/audit-svc")?.db_name, "audit-svc");
    assert.equal(planVault(settings()).policies["audit-edge-certificate"], undefined);
  });

  it("writes an address range as Vault gives it back", () => {
    const at = (hostCidr: string) =>
      planVault(settings({ stack: { vaultPath: "audit-svc/vm9", hostCidr } })).ensure.find(
        ({ path }) => path === "auth/approle/role/audit-svc",
      )?.body.token_bound_cidrs;
    assert.deepEqual(at("2001:DB8:0:0::/64"), ["2001:db8::/64"]);
    assert.deepEqual(at("2001:DB8::5/128"), ["2001:db8::5"]);
    assert.deepEqual(at("10.0.0.20/32"), ["10.0.0.20"]);
  });

  it("accepts a key with a trailing line break, which Vault does not keep", () => {
    const pem = "-----BEGIN PUBLIC KEY-----\nAA==\n-----END PUBLIC KEY-----";
    const { ensure } = planVault(settings({ gitlab: { ...given.gitlab, publicKeys: [`${pem}\n`] } }));
    assert.deepEqual(ensure.find((one) => one.path === "auth/jwt/config")?.body.jwt_validation_pubkeys, [pem]);
  });
});
