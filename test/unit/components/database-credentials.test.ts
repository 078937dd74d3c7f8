import assert from "node:assert/strict";
import * as postgresql from "@pulumi/postgresql";
import { Database } from "../../../components/database";
import { DatabaseCredentials } from "../../../components/database-credentials";
import { credentialsPolicy, SecretsBinding } from "../../../components/secrets-binding";
import { find, ofType, run, Secret } from "../support/program";
import { TOOLS, world } from "../support/world";

const build =
  (host = "db.example.test") =>
  () => {
    const { host: vm, networks, slots, inVault } = world();
    const server = { host, port: 5433, sslMode: "verify-full" };
    const postgres = new postgresql.Provider("server", { host: "db.example.test" });
    const database = new Database("audit", { server, database: "events", provider: postgres, credentials: "dynamic" });
    const vault = { provider: inVault, address: "https://vault.example.test:8200" };
    const credentials = new DatabaseCredentials("audit-svc", { database, server, postgres, vault });
    new SecretsBinding("audit-svc", {
      vault: { ...vault, agentAddress: vault.address, mount: "secret", path: "audit-svc/vm2" },
      data: { database: database.connection },
      credentials,
      host: vm,
      image: TOOLS,
      networks,
      slots,
      secretIdIssue: "2026-01-01T00:00:00.000Z",
    });
    return credentials;
  };

describe("DatabaseCredentials", () => {
  it("gives Vault a login that makes roles and may make them members of the run-time group, and no more", async () => {
    const { resources } = await run(build());
    const role = find(resources, "Role", "audit-svc-vault");
    assert.deepEqual(role.ignoreChanges, ["roles"], "Vault's logins are memberships of their maker");
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

  it("has Vault verify its login, and change the password at once", async () => {
    const { resources } = await run(build());
    const connection = find(resources, "SecretBackendConnection", "audit-svc-database");
    assert.equal(connection.inputs.verifyConnection, true);
    assert.deepEqual(connection.inputs.allowedRoles, ["audit-svc"]);
    assert.deepEqual(
      connection.inputs.postgresql,
      new Secret({
        connectionUrl: "postgresql://{{username}}:{{password}}@db.example.test:5433/events?sslmode=verify-full",
        username: "events_vault",
        password: "password-of-audit-svc-vault-password",
      }),
    );
    const rotated = find(resources, "Command", "audit-svc-database-rotated");
    assert.ok(rotated.dependsOn.includes(connection.urn));
    assert.ok(find(resources, "SecretBackendRole", "audit-svc-database-role").dependsOn.includes(rotated.urn));
    assert.doesNotMatch(JSON.stringify(rotated.inputs), /password-of/);
  });

  it("has roles made that are members of the run-time group alone", async () => {
    const { resources } = await run(build());
    const { inputs } = find(resources, "SecretBackendRole", "audit-svc-database-role");
    assert.deepEqual(inputs.creationStatements, [
      `CREATE ROLE "{{name}}" WITH LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}' IN ROLE "events_runtime";`,
    ]);
    assert.deepEqual([inputs.defaultTtl, inputs.maxTtl], [3600, 86_400]);
  });

  it("lets the agent have a login and renew it; the secret is written after the agent, which needs none in it", async () => {
    const { resources } = await run(build());
    const policy = find(resources, "Policy", "audit-svc-policy").inputs.policy as string;
    assert.ok(policy.includes(credentialsPolicy("database/creds/audit-svc")));
    const agent = find(resources, "Container", "audit-svc-agent");
    assert.ok(agent.dependsOn.includes(find(resources, "Command", "audit-svc-database-leases").urn));
    assert.ok(find(resources, "SecretV2", "audit-svc-secret").dependsOn.includes(agent.urn));
    assert.equal(ofType(resources, "SecretV2").length, 1);
  });

  it("has an IPv6 address of the server in brackets, as in every URL", async () => {
    const { resources } = await run(build("2001:db8::5"));
    const { postgresql: given } = find(resources, "SecretBackendConnection", "audit-svc-database").inputs;
    assert.match(JSON.stringify(given), /@\[2001:db8::5\]:5433\/events\?/);
  });
});
