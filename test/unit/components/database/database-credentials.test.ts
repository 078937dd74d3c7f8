import assert from "node:assert/strict";
import * as postgresql from "@pulumi/postgresql";
import { Database } from "../../../../components/database/database";
import type { InVault } from "../../../../components/secrets/in-vault";
import { SecretsBinding } from "../../../../components/secrets/secrets-binding";
import { credentialsPolicy } from "../../../../lib/vault/rights";
import { find, ofType, run, Secret } from "../../support/program";
import { world } from "../../support/world";

const build = (made?: InVault, host = "db.example.test") => {
  const w = world({ vault: { inVault: made } });
  const database = new Database("audit", {
    server: { host, port: 5433, sslMode: "verify-full" },
    database: "events",
    provider: new postgresql.Provider("server", { host: "db.example.test" }),
    loginsBy: { name: "audit-svc", vault: w.vault },
  });
  new SecretsBinding("audit-svc", {
    ...w,
    secret: { mount: "secret", path: "audit-svc/vm2" },
    data: { database: database.connection },
    credentials: database.credentials,
  });
};

describe("DatabaseCredentials", () => {
  it("gives Vault a login that creates roles and may make them members of the run-time group, and nothing more", async () => {
    const { resources } = await run(() => build());
    const role = find(resources, "Role", "audit-svc-vault");
    assert.deepEqual(role.ignoreChanges, ["roles"], "Vault's logins are memberships of their issuer");
    assert.deepEqual(role.inputs, {
      name: "events_vault",
      login: true,
      createRole: true,
      inherit: false,
      password: new Secret("password-of-audit-svc-vault-password"),
    });
    assert.deepEqual(find(resources, "GrantRole", "audit-svc-vault-admin").inputs, {
      role: "events_vault",
      grantRole: "events_runtime",
      withAdminOption: true,
    });
    assert.deepEqual(find(resources, "Grant", "audit-svc-vault-connect").inputs.privileges, ["CONNECT"]);
  });

  it("hands the login to Vault once, which verifies it and changes the password at once", async () => {
    const { resources } = await run(() => build());
    const connection = find(resources, "SecretBackendConnection", "audit-svc-database");
    assert.deepEqual(connection.inputs.allowedRoles, ["audit-svc"]);
    assert.deepEqual(connection.inputs.postgresql, {
      connectionUrl: "postgresql://{{username}}:{{password}}@db.example.test:5433/events?sslmode=verify-full",
      username: "events_vault",
    });
    const rotated = find(resources, "Command", "audit-svc-database-rotated");
    assert.ok(rotated.dependsOn.includes(connection.urn));
    assert.ok(find(resources, "SecretBackendRole", "audit-svc-database-role").dependsOn.includes(rotated.urn));
    const { stdin, update, ...others } = rotated.inputs;
    assert.deepEqual(stdin, new Secret("password-of-audit-svc-vault-password"));
    assert.equal(update, "true", "a second time the password of the state would be wrong");
    assert.doesNotMatch(JSON.stringify(others), /password-of/);
  });

  it("adopts connection and role as bootstrap has created them", async () => {
    const { resources } = await run(() => build({ owner: "bootstrap", readable: true }));
    for (const [type, name] of [
      ["SecretBackendConnection", "audit-svc-database"],
      ["SecretBackendRole", "audit-svc-database-role"],
    ] as const) {
      const made = find(resources, type, name);
      assert.deepEqual(made.ignoreChanges, ["*"], name);
      assert.equal(made.retainOnDelete, true, name);
    }
    assert.equal(find(resources, "SecretBackendRole", "audit-svc-database-role").importId, "database/roles/audit-svc");
  });

  it("makes Vault create roles that are members of only the run-time group", async () => {
    const { resources } = await run(() => build());
    const { inputs } = find(resources, "SecretBackendRole", "audit-svc-database-role");
    assert.deepEqual(inputs.creationStatements, [
      `CREATE ROLE "{{name}}" WITH LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}' IN ROLE "events_runtime";`,
    ]);
    assert.deepEqual([inputs.defaultTtl, inputs.maxTtl], [3600, 86_400]);
  });

  it("lets the agent request and renew a login; the secret, which has none then, is written after the agent", async () => {
    const { resources } = await run(() => build());
    const policy = find(resources, "Policy", "audit-svc-policy").inputs.policy as string;
    assert.ok(policy.includes(credentialsPolicy("database/creds/audit-svc")));
    const agent = find(resources, "Container", "audit-svc-agent");
    assert.ok(agent.dependsOn.includes(find(resources, "Command", "audit-svc-database-leases").urn));
    assert.ok(find(resources, "SecretV2", "audit-svc-secret").dependsOn.includes(agent.urn));
    assert.equal(ofType(resources, "SecretV2").length, 1);
  });

  it("has an IPv6 address of the server in brackets, as in every URL", async () => {
    const { resources } = await run(() => build(undefined, "2001:db8::5"));
    const { postgresql: given } = find(resources, "SecretBackendConnection", "audit-svc-database").inputs;
    assert.match(JSON.stringify(given), /@\[2001:db8::5\]:5433\/events\?/);
  });
});
