import assert from "node:assert/strict";
import { assertEffects, assertHas, assertRefused, assertStable, effect } from "./harness/expect.js";
import { Bench } from "./harness/installed.js";
import type { Plugin } from "./harness/plugin.js";
import { providerSettings, sql } from "./harness/postgres.js";
import { unknownKeys } from "./harness/values.js";
import { unique } from "./harness/world.js";

const ROLE = "postgresql:index/role:Role";
const DATABASE = "postgresql:index/database:Database";
const GRANT = "postgresql:index/grant:Grant";
const DEFAULTS = "postgresql:index/defaultPrivileges:DefaultPrivileges";
const GRANT_ROLE = "postgresql:index/grantRole:GrantRole";

describe("postgresql: Grant, DefaultPrivileges, GrantRole", () => {
  const bench = new Bench();
  let plugin: Plugin;
  let database: string;
  let role: string;
  before(async () => {
    plugin = await bench.configured("postgresql", providerSettings());
  });
  beforeEach(async () => {
    [database, role] = [unique("db"), unique("role")];
    await plugin.resource(DATABASE, "d").create({ name: database });
    await plugin.resource(ROLE, "r").create({ name: role });
    await sql("create schema app; create table app.one (a int); create table app.two (a int)", database);
  });
  afterEach(() => bench.cleanUp());
  after(() => bench.close());

  const may = async (privilege: string, table: string): Promise<unknown> =>
    (await sql(`select has_table_privilege('${role}', '${table}', '${privilege}') as may`, database))[0]?.may;

  describe("Grant", () => {
    const tables = () => ({ database, role, schema: "app", objectType: "table", privileges: ["SELECT", "INSERT"] });

    it("grants on all tables that exist; all but the privileges replaces, delete-first", async () => {
      const grant = plugin.resource(GRANT, "g");
      assert.deepEqual(unknownKeys(await grant.previewCreate(tables())), ["id"]);
      await grant.create(tables());
      assert.equal(grant.id, `${role}_${database}_app_table`);
      assert.deepEqual(
        [await may("SELECT", "app.one"), await may("INSERT", "app.two"), await may("DELETE", "app.one")],
        [true, true, false],
      );
      await assertStable(grant, tables());
      await grant.refresh();
      await assertStable(grant, tables());
      await assertEffects(grant, tables(), [
        [{ privileges: ["INSERT", "SELECT"] }, "none"],
        [{ privileges: ["SELECT"] }, "update"],
        [{ role: "other" }, "delete-before-replace"],
        [{ database: "other" }, "delete-before-replace"],
        [{ schema: "other" }, "delete-before-replace"],
        [{ objectType: "sequence" }, "delete-before-replace"],
        [{ objects: ["one"] }, "delete-before-replace"],
        [{ withGrantOption: true }, "delete-before-replace"],
      ]);
      await grant.update({ ...tables(), privileges: ["SELECT"] });
      assert.deepEqual([await may("SELECT", "app.one"), await may("INSERT", "app.one")], [true, false]);
      await grant.delete();
      assert.equal(await may("SELECT", "app.one"), false);
    });

    it("differs after a refresh when a table came that has no grant yet", async () => {
      const grant = plugin.resource(GRANT, "g");
      await grant.create(tables());
      await sql("create table app.three (a int)", database);
      await grant.refresh();
      assert.equal(effect(await grant.diff(tables())), "update");
      await grant.update(tables());
      assert.equal(await may("SELECT", "app.three"), true);
    });

    it("grants on the objects it names", async () => {
      const grant = plugin.resource(GRANT, "g");
      const inputs = { ...tables(), objects: ["one"], privileges: ["SELECT"] };
      await grant.create(inputs);
      assert.deepEqual([await may("SELECT", "app.one"), await may("SELECT", "app.two")], [true, false]);
      await grant.refresh();
      await assertStable(grant, inputs);
    });

    it("grants on a database and on a schema", async () => {
      const onDatabase = plugin.resource(GRANT, "d1");
      const d = { database, role, objectType: "database", privileges: ["CONNECT", "TEMPORARY"] };
      await onDatabase.create(d);
      assert.equal(onDatabase.id, `${role}_${database}_database`);
      await onDatabase.refresh();
      await assertStable(onDatabase, d);
      const onSchema = plugin.resource(GRANT, "s1");
      const s = { database, role, schema: "app", objectType: "schema", privileges: ["USAGE"] };
      await onSchema.create(s);
      await onSchema.refresh();
      await assertStable(onSchema, s);
      assert.deepEqual(await sql(`select has_schema_privilege('${role}', 'app', 'USAGE') as may`, database), [
        { may: true },
      ]);
    });

    it("takes from PUBLIC what an empty list of privileges leaves out", async () => {
      const grant = plugin.resource(GRANT, "g");
      const inputs = { database, role: "public", objectType: "database", privileges: [] };
      await grant.create(inputs);
      assert.deepEqual(await sql(`select has_database_privilege('${role}', '${database}', 'CONNECT') as may`), [
        { may: false },
      ]);
      await grant.refresh();
      await assertStable(grant, inputs);
    });

    it("sees privileges taken by hand", async () => {
      const grant = plugin.resource(GRANT, "g");
      await grant.create(tables());
      await sql(`revoke insert on all tables in schema app from "${role}"`, database);
      await grant.refresh();
      assertHas(grant.outputs, { privileges: ["SELECT"] });
      assert.equal(effect(await grant.diff(tables())), "update");
    });

    it("fails on a privilege that such an object cannot have, and on a role that is not there", async () => {
      const grant = plugin.resource(GRANT, "g");
      await assert.rejects(grant.create({ ...tables(), privileges: ["FLY"] }), /FLY/);
      await assert.rejects(grant.create({ ...tables(), role: "nobody-there" }), /does not exist/);
      assert.equal(grant.state, undefined);
    });

    it("refuses by name what is missing or wrong", async () => {
      const grant = plugin.resource(GRANT, "g");
      await assertRefused(grant, { role, objectType: "table", privileges: ["SELECT"] }, "database");
      await assertRefused(grant, { database, role, objectType: "cloud", privileges: ["SELECT"] }, "cloud");
      await assertRefused(grant, { ...tables(), bogus: 1 }, "bogus");
    });
  });

  describe("DefaultPrivileges", () => {
    it("holds for what its owner makes later; all but the privileges replaces, create-first", async () => {
      const owner = unique("owner");
      await plugin.resource(ROLE, "o").create({ name: owner });
      await sql(`grant usage, create on schema app to "${owner}"`, database);
      const defaults = plugin.resource(DEFAULTS, "p");
      const base = { database, role, owner, schema: "app", objectType: "table", privileges: ["SELECT"] };
      assert.deepEqual(unknownKeys(await defaults.previewCreate(base)), ["id"]);
      await defaults.create(base);
      assert.equal(defaults.id, `${role}_${database}_app_${owner}_table`);
      await sql(`set role "${owner}"; create table app.later (a int)`, database);
      assert.equal(await may("SELECT", "app.later"), true);
      await assertStable(defaults, base);
      await defaults.refresh();
      await assertStable(defaults, base);
      await assertEffects(defaults, base, [
        [{ privileges: ["INSERT"] }, "update"],
        [{ role: "other" }, "replace"],
        [{ owner: "other" }, "replace"],
        [{ schema: "other" }, "replace"],
        [{ database: "other" }, "replace"],
        [{ objectType: "sequence" }, "replace"],
        [{ withGrantOption: true }, "replace"],
      ]);
      await defaults.update({ ...base, privileges: ["SELECT", "INSERT"] });
      await defaults.refresh();
      assertHas(defaults.outputs, { privileges: ["INSERT", "SELECT"] });
      await sql(`drop table app.later; revoke all on schema app from "${owner}"`, database);
    });
  });

  describe("GrantRole", () => {
    it("makes one role a member of another; every input replaces", async () => {
      const group = unique("group");
      await plugin.resource(ROLE, "g").create({ name: group });
      const member = plugin.resource(GRANT_ROLE, "m");
      const base = { role, grantRole: group };
      await member.create(base);
      assert.equal(member.id, `${role}_${group}_false`);
      assert.deepEqual(await sql(`select pg_has_role('${role}', '${group}', 'MEMBER') as member`), [{ member: true }]);
      await assertStable(member, base);
      await member.refresh();
      await assertStable(member, base);
      await assertEffects(member, base, [
        [{ role: "other" }, "replace"],
        [{ grantRole: "other" }, "replace"],
        [{ withAdminOption: true }, "replace"],
      ]);
      await sql(`revoke "${group}" from "${role}"`);
      assert.equal(await member.refresh(), undefined);
    });
  });
});
