import assert from "node:assert/strict";
import { PostgresServer } from "./postgresql-server.js";
import { CheckFailed, Plugin, Resource } from "./provider-client.js";

const ROLE = "postgresql:index/role:Role";
const DATABASE = "postgresql:index/database:Database";
const SCHEMA = "postgresql:index/schema:Schema";
const GRANT = "postgresql:index/grant:Grant";
const GRANT_ROLE = "postgresql:index/grantRole:GrantRole";
const DEFAULTS = "postgresql:index/defaultPrivileges:DefaultPrivileges";

describe("postgresql plugin", function () {
  this.timeout(120_000);
  let server: PostgresServer;
  const plugins: Plugin[] = [];

  async function configured(settings: Record<string, unknown>, env: NodeJS.ProcessEnv = {}): Promise<Plugin> {
    const plugin = await Plugin.start("postgresql", env);
    plugins.push(plugin);
    await plugin.configure(settings);
    return plugin;
  }

  before(async () => {
    server = await PostgresServer.start();
  });
  after(async () => {
    await Promise.all(plugins.map((plugin) => plugin.stop()));
    await server.stop();
  });

  describe("as a superuser", () => {
    let plugin: Plugin;
    before(async () => {
      plugin = await configured(server.provider());
    });
    const resource = (type: string, name: string) => new Resource(plugin, type, name);

    it("makes a role that cannot log in unless told so, with the genuine defaults in the state", async () => {
      const role = await resource(ROLE, "plain").create({ name: "plain" });
      assert.equal(role.id, "plain");
      assert.equal(role.state.login, false);
      assert.equal(role.state.connectionLimit, -1);
      assert.equal(role.state.validUntil, "infinity");
      assert.equal(role.state.inherit, true);
      assert.deepEqual(role.state.roles, []);
      assert.equal(await role.up({ name: "plain" }), "same");
      await role.delete();
      assert.deepEqual(await server.rows("SELECT 1 FROM pg_roles WHERE rolname = 'plain'"), []);
    });

    it("makes up a name, and renames in place", async () => {
      const role = await resource(ROLE, "auto").create({ login: true });
      assert.match(role.id, /^auto-[0-9a-f]{7}$/);
      assert.equal(await role.up({ name: "renamed", login: true }), "updated");
      assert.equal(role.state.name, "renamed");
      await role.delete();
      assert.deepEqual(await server.rows("SELECT 1 FROM pg_roles WHERE rolname = 'renamed'"), []);
      const moved = await resource(ROLE, "moved").create({ name: "before" });
      await moved.up({ name: "after" });
      assert.equal(await moved.refresh(), true, "it is found by its new name");
      assert.equal(moved.state.name, "after");
      await moved.delete();
    });

    it("keeps the password as a secret, sets it, and trusts the state for a SCRAM hash", async () => {
      const role = await resource(ROLE, "pw").create({ name: "pw", login: true, password: "one'two" });
      assert.ok(role.secrets.includes("password"));
      await server.rows("SELECT 1", "postgres", { user: "pw", password: "one'two" });
      await server.rows("ALTER ROLE pw PASSWORD 'other'");
      assert.ok(await role.refresh());
      assert.equal(role.state.password, "one'two", "a password changed by hand is not seen");
      assert.equal(await role.up({ name: "pw", login: true, password: "three" }), "updated");
      await server.rows("SELECT 1", "postgres", { user: "pw", password: "three" });
      await role.delete();
    });

    it("doubles a backslash in a password, as the genuine one does", async () => {
      const role = await resource(ROLE, "slash").create({ name: "slash", login: true, password: "a\\b" });
      await assert.rejects(server.rows("SELECT 1", "postgres", { user: "slash", password: "a\\b" }));
      await server.rows("SELECT 1", "postgres", { user: "slash", password: "a\\\\b" });
      await role.delete();
    });

    it("shows an attribute changed by hand as drift and puts it back", async () => {
      const inputs = { name: "drift", login: true, searchPaths: ["app", "public"], statementTimeout: 5000 };
      const role = await resource(ROLE, "drift").create(inputs);
      assert.equal(await role.up(inputs), "same");
      await server.rows("ALTER ROLE drift NOLOGIN; ALTER ROLE drift SET statement_timeout TO 1");
      assert.ok(await role.refresh());
      assert.deepEqual((await role.diff(inputs)).diffs.sort(), ["login", "statementTimeout"]);
      assert.equal(await role.up(inputs), "updated");
      assert.deepEqual(await server.rows("SELECT rolcanlogin, rolconfig FROM pg_roles WHERE rolname = 'drift'"), [
        { rolcanlogin: true, rolconfig: ["search_path=app, public", "statement_timeout=5000"] },
      ]);
      await role.delete();
    });

    it("takes memberships given by hand away at any update", async () => {
      await server.rows("CREATE ROLE wanted; CREATE ROLE extra");
      const role = await resource(ROLE, "member").create({ name: "member", roles: ["wanted"] });
      await server.rows("GRANT extra TO member");
      assert.equal(await role.up({ name: "member", roles: ["wanted"], login: true }), "updated");
      assert.deepEqual(role.state.roles, ["wanted"]);
      await role.delete();
      await server.rows("DROP ROLE wanted; DROP ROLE extra");
    });

    it("reads a role that is gone as gone", async () => {
      const role = await resource(ROLE, "gone").create({ name: "gone" });
      await server.rows("DROP ROLE gone");
      assert.equal(await role.refresh(), false);
    });

    it("cannot delete a role that owns something in another database", async () => {
      const role = await resource(ROLE, "holder").create({ name: "holder" });
      const database = await resource(DATABASE, "elsewhere").create({ name: "elsewhere" });
      await server.rows("CREATE TABLE kept (); ALTER TABLE kept OWNER TO holder", "elsewhere");
      await assert.rejects(
        role.delete(),
        /could not delete role holder: pq: role "holder" cannot be dropped .*\(2BP01\)/,
      );
      await database.delete();
      await role.delete();
    });

    it("makes a database, replaces it for another encoding, deleting the old one first since its name is fixed", async () => {
      const database = await resource(DATABASE, "db").create({ name: "db" });
      assert.equal(database.id, "db");
      assert.equal(database.state.owner, "postgres");
      assert.equal(database.state.encoding, "UTF8");
      assert.equal(database.state.template, "template0");
      assert.equal(await database.up({ name: "db" }), "same", "computed inputs that are not set are no difference");
      const diff = await database.diff({ name: "db", encoding: "SQL_ASCII" });
      assert.deepEqual(diff.replaces, ["encoding"]);
      assert.equal(diff.deleteBeforeReplace, true);
      assert.equal(await database.up({ name: "db2", connectionLimit: 7 }), "updated");
      assert.deepEqual(await server.rows("SELECT datconnlimit FROM pg_database WHERE datname = 'db2'"), [
        { datconnlimit: 7 },
      ]);
      await database.delete();
    });

    it("throws sessions out of a database that it drops", async () => {
      const database = await resource(DATABASE, "busy").create({ name: "busy" });
      const session = server.rows("SELECT pg_sleep(60)", "busy").then(
        () => "ended by itself",
        (error: unknown) => String(error),
      );
      while ((await server.rows("SELECT 1 FROM pg_stat_activity WHERE datname = 'busy'")).length === 0) continue;
      await database.delete();
      assert.match(await session, /terminat/);
    });

    it("adopts a schema that exists, whatever ifNotExists says, and drops it at the end", async () => {
      await server.rows("CREATE SCHEMA there");
      const schema = await resource(SCHEMA, "there").create({
        name: "there",
        database: "postgres",
        ifNotExists: false,
      });
      assert.equal(schema.id, "postgres.there");
      await server.rows("CREATE TABLE there.t ()");
      await assert.rejects(schema.delete(), /error deleting schema: pq: cannot drop schema there/);
      assert.equal(await schema.up({ name: "there", database: "postgres", dropCascade: true }), "updated");
      await schema.delete();
      assert.deepEqual(await server.rows("SELECT 1 FROM pg_namespace WHERE nspname = 'there'"), []);
    });

    it("grants, narrows, notices what was changed by hand, and revokes", async () => {
      await server.rows("CREATE ROLE reader; CREATE TABLE notes (a int, b int)");
      const inputs = {
        role: "reader",
        database: "postgres",
        schema: "public",
        objectType: "table",
        objects: ["notes"],
        privileges: ["SELECT", "INSERT"],
      };
      const grant = await resource(GRANT, "g").create(inputs);
      assert.equal(grant.id, "reader_postgres_public_table_notes");
      assert.equal(await grant.up({ ...inputs, privileges: ["SELECT"] }), "updated");
      const can = async (what: string) =>
        (await server.rows<{ can: boolean }>(`SELECT has_table_privilege('reader', 'notes', '${what}') AS can`))[0]
          ?.can;
      assert.deepEqual([await can("SELECT"), await can("INSERT")], [true, false]);
      await server.rows("GRANT DELETE ON notes TO reader");
      assert.ok(await grant.refresh());
      assert.deepEqual((await grant.diff({ ...inputs, privileges: ["SELECT"] })).diffs, ["privileges"]);
      assert.equal((await grant.diff({ ...inputs, objects: [] })).deleteBeforeReplace, true);
      await grant.delete();
      assert.deepEqual([await can("SELECT"), await can("DELETE")], [false, false]);
      await server.rows("DROP TABLE notes; DROP ROLE reader");
    });

    it("without objects grants on those that exist at that moment only", async () => {
      await server.rows("CREATE ROLE late; CREATE SCHEMA s; CREATE TABLE s.one ()");
      const inputs = { role: "late", database: "postgres", schema: "s", objectType: "table", privileges: ["ALL"] };
      const grant = await resource(GRANT, "all").create(inputs);
      assert.equal(await grant.up(inputs), "same", "ALL is fulfilled by every single privilege, MAINTAIN among them");
      await server.rows("CREATE TABLE s.two ()");
      assert.ok(await grant.refresh());
      assert.deepEqual((await grant.diff(inputs)).diffs, ["privileges"], "the new table makes it drift");
      await server.rows("DROP SCHEMA s CASCADE; DROP ROLE late");
      assert.equal(await grant.refresh(), false);
    });

    it("revokes from everybody by a grant of nothing to public", async () => {
      const database = await resource(DATABASE, "closed").create({ name: "closed" });
      await server.rows("CREATE ROLE anybody LOGIN PASSWORD 'x'");
      const nobody = { role: "public", database: "closed", objectType: "database", privileges: [] };
      const grant = await resource(GRANT, "nobody").create(nobody);
      assert.equal(grant.id, "public_closed_database");
      await assert.rejects(
        server.rows("SELECT 1", "closed", { user: "anybody", password: "x" }),
        /permission denied for database/,
      );
      assert.equal(await grant.up(nobody), "same");
      await database.delete();
      await server.rows("DROP ROLE anybody");
    });

    it("sets default privileges for what an owner will create", async () => {
      await server.rows("CREATE ROLE maker; CREATE ROLE user1; CREATE SCHEMA d AUTHORIZATION maker");
      const inputs = {
        role: "user1",
        database: "postgres",
        owner: "maker",
        schema: "d",
        objectType: "table",
        privileges: ["SELECT"],
      };
      const defaults = await resource(DEFAULTS, "d").create(inputs);
      assert.equal(defaults.id, "user1_postgres_d_maker_table");
      await server.rows("SET ROLE maker; CREATE TABLE d.t ()");
      assert.deepEqual(await server.rows("SELECT has_table_privilege('user1', 'd.t', 'SELECT') AS can"), [
        { can: true },
      ]);
      assert.equal(await defaults.up(inputs), "same");
      await server.rows("ALTER DEFAULT PRIVILEGES FOR ROLE maker IN SCHEMA d REVOKE ALL ON TABLES FROM user1");
      assert.equal(await defaults.refresh(), false, "no privileges read as gone");
      await server.rows("DROP SCHEMA d CASCADE; DROP OWNED BY maker; DROP ROLE maker; DROP ROLE user1");
    });

    it("loses a membership when only its option is changed: made anew, then revoked", async () => {
      await server.rows("CREATE ROLE club; CREATE ROLE guest");
      const membership = await resource(GRANT_ROLE, "m").create({ role: "guest", grantRole: "club" });
      assert.equal(membership.id, "guest_club_false");
      assert.equal(await membership.up({ role: "guest", grantRole: "club", withAdminOption: true }), "replaced");
      assert.equal(await membership.refresh(), false);
      await server.rows("DROP ROLE club; DROP ROLE guest");
    });

    it("makes nothing in a preview", async () => {
      const role = await resource(ROLE, "preview").create({ name: "preview" }, { preview: true });
      assert.equal(role.id, "");
      assert.deepEqual(await server.rows("SELECT 1 FROM pg_roles WHERE rolname = 'preview'"), []);
    });

    it("refuses by name what it does not implement", async () => {
      await assert.rejects(
        resource(SCHEMA, "s").create({ name: "s", policies: [{ usage: true }] }),
        (error) => error instanceof CheckFailed && error.message.includes("does not implement input policies"),
      );
      await assert.rejects(resource(ROLE, "r").create({ passwordWo: "x" }), /does not implement input passwordWo/);
    });

    it("refuses privileges that the object type has not", async () => {
      const inputs = {
        role: "postgres",
        database: "postgres",
        schema: "public",
        objectType: "schema",
        privileges: ["SELECT"],
      };
      await assert.rejects(
        resource(GRANT, "g").create(inputs),
        /SELECT is not an allowed privilege for object type schema/,
      );
    });
  });

  describe("connecting", () => {
    it("asks for TLS when no sslmode is set, which this server has not", async () => {
      const plugin = await configured({ ...server.provider(), sslmode: undefined });
      await assert.rejects(
        new Resource(plugin, ROLE, "tls").create({ name: "tls" }),
        /error connecting to PostgreSQL server 127\.0\.0\.1 \(scheme: postgres\): pq: SSL is not enabled on the server/,
      );
    });

    it("reads the environment as libpq's programs do", async () => {
      const env = {
        PGHOST: "127.0.0.1",
        PGPORT: String(server.port),
        PGUSER: "postgres",
        PGPASSWORD: "scratch",
        PGSSLMODE: "disable",
      };
      const role = await new Resource(await configured({}, env), ROLE, "env").create({ name: "env" });
      await role.delete();
    });

    it("connects only when there is something to do, and then names the server but not the password", async () => {
      const plugin = await configured({ host: "127.0.0.1", port: 1, password: "hidden-word", sslmode: "disable" });
      await assert.rejects(new Resource(plugin, ROLE, "far").create({ name: "far" }), (error) => {
        assert.match(
          String(error),
          /error connecting to PostgreSQL server 127\.0\.0\.1 \(scheme: postgres\): .*ECONNREFUSED/,
        );
        assert.doesNotMatch(String(error), /hidden-word/);
        return true;
      });
    });

    it("tells a wrong password from other faults", async () => {
      const plugin = await configured({ ...server.provider(), password: "wrong" });
      await assert.rejects(
        new Resource(plugin, ROLE, "w").create({ name: "w" }),
        /password authentication failed for user "postgres" \(28P01\)/,
      );
    });
  });
});
