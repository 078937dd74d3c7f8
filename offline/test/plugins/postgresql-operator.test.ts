import assert from "node:assert/strict";
import { OPERATOR, PostgresServer } from "./postgresql-server.js";
import { InitFailed, Plugin, Resource } from "./provider-client.js";

const ROLE = "postgresql:index/role:Role";
const DATABASE = "postgresql:index/database:Database";
const SCHEMA = "postgresql:index/schema:Schema";
const GRANT = "postgresql:index/grant:Grant";
const DEFAULTS = "postgresql:index/defaultPrivileges:DefaultPrivileges";

describe("postgresql plugin of a user who is no superuser", function () {
  this.timeout(120_000);
  let server: PostgresServer;
  const plugins: Plugin[] = [];

  async function configured(settings: Record<string, unknown>): Promise<Plugin> {
    const plugin = await Plugin.start("postgresql");
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

  let plugin: Plugin;
  before(async () => {
    plugin = await configured(server.provider(OPERATOR));
  });
  const resource = (type: string, name: string) => new Resource(plugin, type, name);

  it("builds the service's whole database and takes it down again", async () => {
    const owner = await resource(ROLE, "owner").create({ name: "audit_owner", login: true, password: "owner" });
    const runtime = await resource(ROLE, "runtime").create({ name: "audit_runtime" });
    const app = await resource(ROLE, "app").create({
      name: "audit_app",
      login: true,
      password: "app",
      roles: ["audit_runtime"],
    });
    const database = await resource(DATABASE, "audit").create({ name: "audit", owner: "audit_owner" });
    assert.equal(database.state.owner, "audit_owner");
    const closed = await resource(GRANT, "closed").create({
      role: "public",
      database: "audit",
      objectType: "database",
      privileges: [],
    });
    const connect = await resource(GRANT, "connect").create({
      role: "audit_runtime",
      database: "audit",
      objectType: "database",
      privileges: ["CONNECT"],
    });
    const schema = await resource(SCHEMA, "schema").create({
      name: "audit",
      database: "audit",
      owner: "audit_owner",
    });
    const usage = await resource(GRANT, "usage").create({
      role: "audit_runtime",
      database: "audit",
      schema: "audit",
      objectType: "schema",
      privileges: ["USAGE"],
    });
    const tables = {
      role: "audit_runtime",
      database: "audit",
      owner: "audit_owner",
      schema: "audit",
      objectType: "table",
      privileges: ["SELECT", "INSERT"],
    };
    const defaults = await resource(DEFAULTS, "tables").create(tables);

    const [ownerLogin, appLogin] = [
      { user: "audit_owner", password: "owner" },
      { user: "audit_app", password: "app" },
    ];
    await server.rows("CREATE TABLE audit.events (id int)", "audit", ownerLogin);
    await server.rows("INSERT INTO audit.events VALUES (1)", "audit", appLogin);
    await assert.rejects(server.rows("DELETE FROM audit.events", "audit", appLogin), /permission denied/);

    assert.deepEqual(
      await server.rows(
        "SELECT pg_get_userbyid(roleid) AS role FROM pg_auth_members WHERE pg_get_userbyid(member) = 'operator' AND set_option",
      ),
      [],
      "every membership that was granted for the work is revoked",
    );
    for (const part of [owner, runtime, app, database, closed, connect, schema, usage, defaults])
      assert.ok(await part.refresh());
    assert.equal(await defaults.up(tables), "same");
    assert.equal(await app.up({ name: "audit_app", login: true, password: "app", roles: ["audit_runtime"] }), "same");

    await server.rows("DROP TABLE audit.events", "audit", ownerLogin);
    for (const part of [defaults, usage, schema, connect, closed, database, app, runtime, owner]) await part.delete();
    assert.deepEqual(await server.rows("SELECT rolname FROM pg_roles WHERE rolname LIKE 'audit%'"), []);
  });

  it("cannot read passwords: with superuser left at its default the role is made and reported as failed", async () => {
    const believing = await configured({ ...server.provider(OPERATOR), superuser: true });
    const role = new Resource(believing, ROLE, "half");
    await assert.rejects(
      role.create({ name: "half", login: true, password: "x" }),
      (error) =>
        error instanceof InitFailed && error.message.includes("is not a SUPERUSER. You can set `superuser = false`"),
    );
    assert.equal(role.id, "half");
    await role.delete();
  });
});
