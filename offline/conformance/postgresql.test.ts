import assert from "node:assert/strict";
import { assertAutoname, assertEffects, assertHas, assertRefused, assertStable, effect } from "./harness/expect.js";
import { Bench } from "./harness/installed.js";
import type { Plugin } from "./harness/plugin.js";
import { providerSettings, sql, sqlAs } from "./harness/postgres.js";
import { secret, secretKeys, unknownKeys, type Props } from "./harness/values.js";
import { unique } from "./harness/world.js";

const ROLE = "postgresql:index/role:Role";
const DATABASE = "postgresql:index/database:Database";
const SCHEMA = "postgresql:index/schema:Schema";

const secrets = (props: Props): string[] => secretKeys(props).filter((k) => !k.startsWith("__"));

describe("postgresql: provider, Role, Database, Schema", () => {
  const bench = new Bench();
  let plugin: Plugin;
  before(async () => {
    plugin = await bench.configured("postgresql", providerSettings());
  });
  afterEach(() => bench.cleanUp());
  after(() => bench.close());

  describe("Provider", () => {
    it("asks for previews and for secrets to be stripped", () => {
      assertHas(
        { ...plugin.flags },
        { acceptSecrets: false, supportsPreview: true, supportsAutonamingConfiguration: true },
      );
    });

    it("refuses a setting that it does not know, by name", async () => {
      const { failures } = await plugin.checkConfig({ bogus: "1" });
      assert.match(failures.map((f) => f.property + f.reason).join(), /bogus/);
    });

    it("connects when it is first needed, not before, and saves nothing when it cannot", async () => {
      const other = await bench.open("postgresql");
      await other.configure({
        host: "127.0.0.1",
        port: 1,
        username: "u",
        password: "p",
        sslmode: "disable",
        connectTimeout: 2,
      });
      const role = other.resource(ROLE, unique("role"));
      await role.previewCreate({});
      await assert.rejects(role.create({}), /connection refused|ECONNREFUSED/);
      assert.equal(role.state, undefined);
      await other.stop();
    });

    it("wants TLS when sslmode is not set", async () => {
      const { sslmode, ...settings } = providerSettings();
      assert.equal(sslmode, "disable", "what the other tests set");
      const other = await bench.configured("postgresql", settings);
      await assert.rejects(other.resource(ROLE, unique("role")).create({}), /SSL is not enabled|does not support SSL/);
      await other.stop();
    });

    it("takes its settings from PGHOST and the like", async () => {
      const { host, port, username, password } = providerSettings();
      const other = await bench.configured(
        "postgresql",
        {},
        {
          PGHOST: String(host),
          PGPORT: String(port),
          PGUSER: String(username),
          PGPASSWORD: String(password),
          PGSSLMODE: "disable",
        },
      );
      await other.resource(ROLE, unique("role")).create({});
      await other.cleanUp();
      await other.stop();
    });

    it("says that a password is wrong", async () => {
      const other = await bench.configured("postgresql", { ...providerSettings(), password: "wrong" });
      await assert.rejects(other.resource(ROLE, unique("role")).create({}), /password authentication failed/);
      await other.stop();
    });
  });

  describe("Role", () => {
    it("has its defaults: no login, no limit, valid for ever", async () => {
      const name = unique("role");
      const role = plugin.resource(ROLE, name);
      const { inputs } = await role.check({});
      assertAutoname(inputs.name, name);
      delete inputs.name;
      assert.deepEqual(inputs, {
        __defaults: ["connectionLimit", "encryptedPassword", "inherit", "name", "validUntil"],
        connectionLimit: -1,
        encryptedPassword: true,
        inherit: true,
        validUntil: "infinity",
      });
      assert.deepEqual(unknownKeys(await role.previewCreate({})), ["id"]);
      await role.create({});
      assertHas(role.outputs, {
        login: false,
        superuser: false,
        createDatabase: false,
        createRole: false,
        replication: false,
      });
      assert.equal(role.id, role.values.name);
      await assertStable(role, {});
      await role.refresh();
      await assertStable(role, {});
    });

    it("is changed in place whatever changes, its name too", async () => {
      const name = unique("role");
      const role = plugin.resource(ROLE, "r");
      const base = { name, login: true, password: secret("one"), connectionLimit: 5 };
      await role.create(base);
      assert.ok(secrets(role.outputs).includes("password"));
      assert.deepEqual(await sqlAs(name, "one", "select current_user::text as u", "postgres"), [{ u: name }]);
      await assertStable(role, base);
      await role.refresh();
      await assertStable(role, base);
      await assertEffects(role, base, [
        [{ name: unique("other") }, "update"],
        [{ login: undefined }, "update"],
        [{ password: secret("two") }, "update"],
        [{ superuser: true }, "update"],
        [{ createDatabase: true }, "update"],
        [{ createRole: true }, "update"],
        [{ roles: ["pg_monitor"] }, "update"],
        [{ connectionLimit: undefined }, "update"],
        [{ searchPaths: ["a"] }, "update"],
        [{ statementTimeout: 1000 }, "update"],
        [{ validUntil: "2030-01-01 00:00:00+00" }, "update"],
        [{ inherit: false }, "update"],
        [{ skipDropRole: true }, "update"],
      ]);
      await role.update({ ...base, password: secret("two"), searchPaths: ["a", "b"], statementTimeout: 1000 });
      await sqlAs(name, "two", "select 1", "postgres");
      await assert.rejects(sqlAs(name, "one", "select 1", "postgres"));
      const [row] = await sql(`select rolconfig from pg_roles where rolname = '${name}'`);
      assert.ok((row?.rolconfig as string[]).includes("statement_timeout=1000"));
      const renamed = unique("renamed");
      await role.update({ ...base, name: renamed, password: secret("two") });
      assert.equal((await sql(`select 1 from pg_roles where rolname = '${renamed}'`)).length, 1);
    });

    it("does not see a password changed by hand", async () => {
      const name = unique("role");
      const role = plugin.resource(ROLE, "r");
      const base = { name, login: true, password: secret("one") };
      await role.create(base);
      await sql(`alter role "${name}" password 'other'`);
      await role.refresh();
      await assertStable(role, base);
    });

    it("sees drift of its flags, and that it is gone", async () => {
      const name = unique("role");
      const role = plugin.resource(ROLE, "r");
      const base = { name, login: true };
      await role.create(base);
      await sql(`alter role "${name}" nologin connection limit 3`);
      await role.refresh();
      assertHas(role.outputs, { login: false, connectionLimit: 3 });
      const diff = await role.diff(base);
      assert.deepEqual([effect(diff), diff.diffs], ["update", ["connectionLimit", "login"]]);
      await sql(`drop role "${name}"`);
      assert.equal(await role.refresh(), undefined);
    });

    it("grants the roles it names again at every update, and takes others away", async () => {
      const [group, extra, name] = [unique("group"), unique("extra"), unique("role")];
      for (const g of [group, extra]) {
        await plugin.resource(ROLE, g).create({ name: g });
      }
      const role = plugin.resource(ROLE, "r");
      await role.create({ name, roles: [group] });
      await sql(`grant "${extra}" to "${name}"`);
      await role.update({ name, roles: [group], connectionLimit: 4 });
      const rows = await sql(
        `select g.rolname from pg_auth_members m join pg_roles g on g.oid = m.roleid join pg_roles r on r.oid = m.member where r.rolname = '${name}'`,
      );
      assert.deepEqual(rows, [{ rolname: group }]);
    });

    it("cannot be deleted while it owns something in another database", async () => {
      const [name, database] = [unique("owner"), unique("db")];
      await sql(`create database "${database}"`);
      try {
        const role = plugin.resource(ROLE, "r");
        await role.create({ name });
        await sql(`create table t (a int); alter table t owner to "${name}"`, database);
        await assert.rejects(role.delete(), /cannot be dropped|depend on it/);
        assert.ok(role.state, "kept");
        await sql(`drop table t`, database);
        await role.delete();
      } finally {
        await sql(`drop database "${database}"`);
      }
    });

    it("fails on a name in use and saves nothing", async () => {
      const name = unique("role");
      await plugin.resource(ROLE, "first").create({ name });
      const second = plugin.resource(ROLE, "second");
      await assert.rejects(second.create({ name }), /already exists/);
      assert.equal(second.state, undefined);
    });

    it("refuses by name what is unknown or out of range", async () => {
      const role = plugin.resource(ROLE, "r");
      await assertRefused(role, { bogus: 1 }, "bogus");
      await assertRefused(role, { connectionLimit: -5 }, "connectionLimit");
    });
  });

  describe("Database", () => {
    it("keeps owner and limits; encoding and locale replace it", async () => {
      const name = unique("db");
      const owner = unique("owner");
      await plugin.resource(ROLE, owner).create({ name: owner });
      const db = plugin.resource(DATABASE, "d");
      const base = { name, owner };
      const { inputs } = await db.check(base);
      assert.deepEqual(inputs, {
        __defaults: ["allowConnections", "connectionLimit"],
        allowConnections: true,
        connectionLimit: -1,
        ...base,
      });
      assert.deepEqual(unknownKeys(await db.previewCreate(base)), [
        "encoding",
        "id",
        "isTemplate",
        "lcCollate",
        "lcCtype",
        "tablespaceName",
        "template",
      ]);
      await db.create(base);
      assert.equal(db.id, name);
      assertHas(db.outputs, {
        ...base,
        encoding: "UTF8",
        isTemplate: false,
        tablespaceName: "pg_default",
        template: "template0",
      });
      const [row] = await sql(
        `select pg_get_userbyid(datdba)::text as owner from pg_database where datname = '${name}'`,
      );
      assert.deepEqual(row, { owner });
      await assertStable(db, base);
      await db.refresh();
      await assertStable(db, base);
      await assertEffects(db, base, [
        [{ name: unique("other") }, "update"],
        [{ owner: "postgres" }, "update"],
        [{ template: "template1" }, "delete-before-replace"],
        [{ template: "template0" }, "none"],
        [{ encoding: "SQL_ASCII" }, "delete-before-replace"],
        [{ lcCollate: "POSIX" }, "delete-before-replace"],
        [{ lcCtype: "POSIX" }, "delete-before-replace"],
        [{ connectionLimit: 3 }, "update"],
        [{ allowConnections: false }, "update"],
        [{ isTemplate: true }, "update"],
        [{ alterObjectOwnership: true }, "update"],
      ]);
      await db.update({ ...base, connectionLimit: 3 });
      assert.deepEqual(await sql(`select datconnlimit from pg_database where datname = '${name}'`), [
        { datconnlimit: 3 },
      ]);
    });

    it("is deleted from under its connections", async () => {
      const name = unique("db");
      const db = plugin.resource(DATABASE, "d");
      await db.create({ name });
      const open = sql("select pg_sleep(30)", name).catch((error: unknown) => error);
      await new Promise((resolve) => setTimeout(resolve, 300));
      await db.delete();
      assert.ok((await open) instanceof Error, "the connection was ended");
    });

    it("sees drift, and that it is gone", async () => {
      const name = unique("db");
      const db = plugin.resource(DATABASE, "d");
      await db.create({ name });
      await sql(`alter database "${name}" connection limit 7`);
      await db.refresh();
      assertHas(db.outputs, { connectionLimit: 7 });
      assert.equal(effect(await db.diff({ name })), "update");
      await sql(`drop database "${name}"`);
      assert.equal(await db.refresh(), undefined);
    });

    it("fails on a name in use and saves nothing", async () => {
      const name = unique("db");
      await plugin.resource(DATABASE, "first").create({ name });
      const second = plugin.resource(DATABASE, "second");
      await assert.rejects(second.create({ name }), /already exists/);
      assert.equal(second.state, undefined);
    });
  });

  describe("Schema", () => {
    it("takes over one that exists; only the database replaces it", async () => {
      const database = unique("db");
      await plugin.resource(DATABASE, "d").create({ name: database });
      await sql("create schema app", database);
      const schema = plugin.resource(SCHEMA, "s");
      const base = { name: "app", database };
      assertHas((await schema.check(base)).inputs, { __defaults: ["ifNotExists"], ifNotExists: true });
      await schema.create(base);
      assert.equal(schema.id, `${database}.app`);
      await assertStable(schema, base);
      await schema.refresh();
      await assertStable(schema, base);
      await assertEffects(schema, base, [
        [{ name: "other" }, "update"],
        [{ database: "other" }, "delete-before-replace"],
        [{ owner: "pg_monitor" }, "update"],
        [{ dropCascade: true }, "update"],
      ]);
      await schema.update({ ...base, owner: "pg_monitor" });
      const [row] = await sql(
        "select pg_get_userbyid(nspowner)::text as owner from pg_namespace where nspname = 'app'",
        database,
      );
      assert.deepEqual(row, { owner: "pg_monitor" });
    });

    it("cannot be deleted while something is in it, unless dropCascade is set", async () => {
      const database = unique("db");
      await plugin.resource(DATABASE, "d").create({ name: database });
      const schema = plugin.resource(SCHEMA, "s");
      const base = { name: "app", database };
      await schema.create(base);
      await sql("create table app.t (a int)", database);
      await assert.rejects(schema.delete(), /depend|cascade/i);
      await schema.update({ ...base, dropCascade: true });
      await schema.delete();
      assert.deepEqual(await sql("select 1 from pg_namespace where nspname = 'app'", database), []);
    });

    it("is found gone", async () => {
      const database = unique("db");
      await plugin.resource(DATABASE, "d").create({ name: database });
      const schema = plugin.resource(SCHEMA, "s");
      await schema.create({ name: "app", database });
      await sql("drop schema app", database);
      assert.equal(await schema.refresh(), undefined);
    });
  });
});
