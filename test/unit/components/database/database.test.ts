import assert from "node:assert/strict";
import * as postgresql from "@pulumi/postgresql";
import * as pulumi from "@pulumi/pulumi";
import { Database, type DatabaseArgs } from "../../../../components/database/database";
import { messagesNameKeys } from "../../support/keys";
import { find, ofType, run, Secret, valueOf } from "../../support/program";
import { world } from "../../support/world";

const build = (options: Partial<DatabaseArgs> = {}) => {
  const database = new Database("audit", {
    server: { host: "db.example.test", port: 5433, sslMode: "verify-full" },
    database: "events",
    provider: new postgresql.Provider("server", { host: "db.example.test" }),
    ...options,
  });
  database.lockFormerLogin([]);
  return database;
};

describe("Database", () => {
  messagesNameKeys();

  it("makes an owner and a login that has nothing but the run-time group", async () => {
    const { resources } = await run(() => build());
    const owner = find(resources, "Role", "audit-owner");
    assert.deepEqual(owner.inputs, {
      name: "events_owner",
      login: true,
      password: new Secret("password-of-audit-owner-password"),
    });
    assert.deepEqual(find(resources, "Role", "audit-runtime").inputs, { name: "events_runtime", login: false });
    assert.deepEqual(find(resources, "Role", "audit-app").inputs, {
      name: "events_app",
      login: true,
      password: new Secret("password-of-audit-app-password"),
      roles: ["events_runtime"],
    });
    for (const role of ofType(resources, "Role")) {
      assert.equal(role.inputs.superuser, undefined, `${role.name} must not be asked to be superuser`);
    }
  });

  it("gives the database to the owner and lets nobody but the run-time group connect", async () => {
    const { resources } = await run(() => build());
    assert.equal(find(resources, "Database", "audit-database").inputs.owner, "events_owner");
    const nobody = find(resources, "Grant", "audit-public");
    assert.deepEqual(nobody.inputs, { database: "events", objectType: "database", role: "public", privileges: [] });
    const connect = find(resources, "Grant", "audit-connect");
    assert.deepEqual(connect.inputs.privileges, ["CONNECT"]);
    assert.ok(connect.dependsOn.includes(nobody.urn), "grants on one database must not run at the same time");
  });

  it("lets an observer connect, after the others, and nothing else", async () => {
    const { resources } = await run(() => build({ observer: "drift" }));
    const grant = find(resources, "Grant", "audit-observer");
    assert.deepEqual(grant.inputs, {
      ...{ database: "events", objectType: "database", role: "drift", privileges: ["CONNECT"] },
    });
    assert.ok(grant.dependsOn.includes(find(resources, "Grant", "audit-connect").urn));
  });

  it("protects what holds data, unless told otherwise", async () => {
    const { resources } = await run(() => build());
    const held = resources.filter((r) => r.type.startsWith("postgresql:"));
    assert.equal(held.length, 7);
    for (const r of held) assert.equal(r.protect, true, r.name);
    const open = await run(
      () =>
        new Database("audit", {
          server: { host: "db", port: 5432, sslMode: "require" },
          database: "events",
          provider: new postgresql.Provider("server", {}),
          protect: false,
        }),
    );
    assert.equal(find(open.resources, "Database", "audit-database").protect, false);
  });

  it("hands out connections as secrets", async () => {
    const { result } = await run(() => build());
    assert.equal(await pulumi.isSecret(result.connection), true);
    assert.equal(await pulumi.isSecret(result.ownerConnection), true);
    assert.deepEqual(await valueOf(result.connection), {
      host: "db.example.test",
      port: 5433,
      name: "events",
      user: "events_app",
      password: "password-of-audit-app-password",
      sslmode: "verify-full",
    });
    assert.equal((await valueOf(result.ownerConnection)).user, "events_owner");
  });

  it("gives the other login a new password at a raised version, and locks the former one afterwards", async () => {
    const { resources, result } = await run(() => build({ passwordVersion: 2, previousVersion: 1 }));
    assert.deepEqual(find(resources, "Role", "audit-app-alt").inputs, {
      name: "events_app_alt",
      login: true,
      password: new Secret("password-of-audit-app-alt-password"),
      roles: ["events_runtime"],
    });
    assert.deepEqual(find(resources, "Role", "audit-app").inputs, {
      name: "events_app",
      login: false,
      roles: ["events_runtime"],
    });
    assert.ok(!resources.some((r) => r.name === "audit-app-password"), "the former password is still in the state");
    assert.equal((await valueOf(result.connection)).user, "events_app_alt");
  });

  it("creates no login if Vault does, and locks its own afterwards", async () => {
    const { resources, result } = await run(() => build({ loginsBy: { name: "audit-svc", vault: world().vault } }));
    for (const login of ["app", "app-alt"]) {
      assert.equal(find(resources, "Role", `audit-${login}`).inputs.login, false);
      assert.ok(!resources.some((r) => r.name === `audit-${login}-password`));
    }
    assert.equal(await pulumi.isSecret(result.connection), true);
    const { user, password, ...server } = await valueOf(result.connection);
    assert.deepEqual([user, password], [undefined, undefined]);
    assert.deepEqual(server, { host: "db.example.test", port: 5433, name: "events", sslmode: "verify-full" });
  });

  it("refuses to skip a version, which would change the password under the running service", async () => {
    for (const passwordVersion of [1, 4]) {
      await assert.rejects(
        run(() => build({ passwordVersion, previousVersion: 2 })),
        {
          message: `audit:databasePasswordVersion is ${passwordVersion}, and the last deploy had 2: set it to 3 to rotate the password, or leave it at 2. Nothing was changed.`,
        },
      );
    }
  });

  it("is the parent of all it makes and uses the given provider", async () => {
    const { resources } = await run(() => build());
    const component = find(resources, "Database", "audit");
    for (const r of resources.filter((x) => x.type.startsWith("postgresql:") && !x.type.includes("providers"))) {
      assert.equal(r.parent, component.urn, r.name);
      assert.match(r.provider, /pulumi:providers:postgresql::server/);
    }
  });
});
