import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { type AddressInfo, createConnection, createServer } from "node:net";
import pg from "pg";
import type { DatabaseConfig } from "../src/config.js";
import { migrate } from "../src/migrate.js";
import { type TestDatabase, configOf, createDatabase } from "./support/database.js";
import { event, post } from "./support/events.js";
import { program, startApp } from "./support/service.js";

interface Outcome {
  code: number | null;
  out: string;
}

/** Runs `migrate` in a separate process, with its configuration on stdin. */
function run(content: object, ...args: string[]): Promise<Outcome> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [program(), "migrate", ...args], {
      env: { PATH: process.env.PATH ?? "", AUDIT_CONFIG_FILE: "/dev/stdin" },
      stdio: ["pipe", "pipe", "pipe"],
    });
    let out = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => (out += chunk.toString()));
    child.on("exit", (code) => resolve({ code, out }));
    child.stdin.end(JSON.stringify(content));
  });
}

async function as(database: DatabaseConfig, sql: string): Promise<string> {
  const client = new pg.Client({ ...database, database: database.name });
  await client.connect();
  try {
    await client.query(sql);
    return "ok";
  } catch (error) {
    return (error as { code?: string }).code ?? String(error);
  } finally {
    await client.end();
  }
}

describe("migrate", function () {
  this.timeout(60_000);
  let database: TestDatabase;
  beforeEach(async () => {
    database = await createDatabase({ migrated: false });
  });
  afterEach(() => database.drop());
  const content = (more: object = {}): object => ({
    database: database.owner,
    runtimeRole: database.runtimeRole,
    ...more,
  });
  const silent = { check: false, print: (): void => undefined };
  const children = async (parent: string): Promise<string[]> =>
    (
      await database.query<{ name: string }>(
        `SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = 'audit.${parent}'::regclass ORDER BY 1`,
      )
    ).map((r) => r.name.replace("audit.", ""));

  it("says what is pending, does it, and then has nothing to do", async () => {
    assert.deepEqual(await run(content(), "--check"), {
      code: 3,
      out: "pending: 1 events\npending: 2 durable\npending: 3 ids-by-application\npending: 4 ids-by-application\npending: 5 log\npending: 6 log\npending: 7 log\nschema version 0, 7 pending\n",
    });
    const first = await run(content());
    assert.equal(first.code, 0, first.out);
    assert.match(first.out, /^applied: 1 events\napplied: 2 durable\n/);
    const second = await run(content());
    assert.equal(second.code, 0);
    assert.doesNotMatch(second.out, /applied/);
    assert.deepEqual(await run(content(), "--check"), { code: 0, out: "schema version 7, 0 pending\n" });
  });

  it("may run many times at once", async () => {
    const outcomes = await Promise.all(Array.from({ length: 4 }, () => run(content())));
    for (const { code, out } of outcomes) assert.equal(code, 0, out);
    const applied = outcomes.flatMap(({ out }) => out.match(/^applied: .*$/gm) ?? []);
    assert.equal(new Set(applied).size, applied.length, applied.join());
  });

  it("lets the runtime role select and store, and nothing else", async () => {
    await migrate(configOf(content()), silent);
    const login = await database.addLogin();
    assert.equal(await as(login, "SELECT count(*) FROM audit.events"), "ok");
    assert.equal(await as(login, "SELECT audit.ensure_partitions()"), "ok");
    const { app, stop } = await startApp(login);
    assert.equal((await post(app.main, event())).statusCode, 201);
    await stop();
    const denied = [
      "UPDATE audit.events SET actor = 'x'",
      "DELETE FROM audit.events",
      "TRUNCATE audit.events",
      "DROP TABLE audit.events",
      "ALTER TABLE audit.events ADD x int",
      "INSERT INTO audit.events (id, occurred_at, recorded_at, application, actor, action, resource, outcome, data) VALUES (gen_random_uuid(), now(), '2000-01-01', 'a', 'a', 'a', 'a', 'success', '{}')",
      "INSERT INTO audit.ids VALUES (gen_random_uuid(), now(), 0, 'a')",
      "UPDATE audit.ids SET bucket = 0",
      "DELETE FROM audit.ids",
      "INSERT INTO audit.schema_migrations (version) VALUES (9)",
      "DELETE FROM audit.schema_migrations",
      "SELECT audit.drop_before('2000-01-01')",
      "CREATE TABLE audit.x ()",
      "CREATE SCHEMA x",
      "DELETE FROM audit.events_before",
      "ALTER FUNCTION audit.ensure_partitions() OWNER TO CURRENT_USER",
      "CREATE TRIGGER t BEFORE INSERT ON audit.events EXECUTE FUNCTION suppress_redundant_updates_trigger()",
    ];
    for (const sql of denied) assert.equal(await as(login, sql), "42501", sql);
    assert.equal((await database.query("SELECT 1 FROM audit.events")).length, 1);
  });

  it("lets nobody else store or make partitions", async () => {
    await migrate(configOf(content()), silent);
    const login = await database.addLogin();
    await database.query(
      `REVOKE ${database.runtimeRole} FROM ${login.user}; GRANT USAGE ON SCHEMA audit TO ${login.user}`,
    );
    for (const sql of ["SELECT audit.ensure_partitions()", `SELECT audit.store(${Array(9).fill("'{}'").join()})`])
      assert.equal(await as(login, sql), "42501", sql);
  });

  it("makes partitions ahead, and so does the service when they have run out", async () => {
    await migrate(configOf(content()), silent);
    const before = await children("events");
    const ids = await children("ids");
    assert.equal(before.length, 5);
    assert.equal(ids.length, 6);
    // As if nobody had migrated for half a year: this month's partitions are missing.
    for (const name of [...before, ...ids].filter((n) => /_\d{4}_\d\d$/.test(n)))
      await database.query(`DROP TABLE audit.${name}`);
    const { app, stop } = await startApp(database.runtime);
    assert.deepEqual(await children("events"), before);
    for (const name of [...before, ...ids].filter((n) => /_\d{4}_\d\d$/.test(n)))
      await database.query(`DROP TABLE audit.${name}`);
    const answer = await post(app.main, event());
    assert.equal(answer.statusCode, 201, answer.body);
    assert.deepEqual(await children("ids"), ids);
    await stop();
  });

  it("drops what is older than retentionDays, and only that", async () => {
    await migrate(configOf(content()), silent);
    // As if it had been set up eight months ago.
    const old = new Date();
    old.setUTCMonth(old.getUTCMonth() - 8, 15);
    const first = new Date(Date.UTC(old.getUTCFullYear(), old.getUTCMonth())).toISOString();
    const suffix = first.slice(0, 7).replace("-", "_");
    await database.query(`
      UPDATE audit.first_month SET month = '${first}'::timestamptz AT TIME ZONE 'UTC';
      ALTER TABLE audit.events DETACH PARTITION audit.events_before;
      ALTER TABLE audit.ids DETACH PARTITION audit.ids_before;
      ALTER TABLE audit.events ATTACH PARTITION audit.events_before FOR VALUES FROM (MINVALUE) TO ('${first}');
      ALTER TABLE audit.ids ATTACH PARTITION audit.ids_before FOR VALUES FROM (1) TO (${(old.getUTCFullYear() - 1970) * 12 + old.getUTCMonth()})`);

    const { app, stop } = await startApp(database.runtime);
    const v4 = "9f1c2b34-0000-4000-8000-00000000000";
    const gone = [
      event({ occurredAt: old.toISOString() }),
      event({ occurredAt: "2001-01-01T00:00:00Z", id: `${v4}1` }),
      event({ occurredAt: old.toISOString(), id: `${v4}2` }),
    ];
    const kept = [event(), event({ occurredAt: new Date(Date.now() - 40 * 86_400_000).toISOString(), id: `${v4}3` })];
    assert.equal((await post(app.main, [...gone, ...kept])).statusCode, 201);

    assert.ok((await children("events")).includes(`events_${suffix}`));
    assert.ok((await children("ids")).includes(`ids_${suffix}`));
    await migrate(configOf(content({ retentionDays: 100 })), silent);
    assert.deepEqual([...(await database.stored()).keys()].sort(), kept.map((e) => e.id).sort());
    assert.ok(!(await children("ids")).includes(`ids_${suffix}`));
    assert.ok(!(await children("events")).includes(`events_${suffix}`));
    // Events as old as the dropped ones can still come in; the next migrate drops them.
    assert.equal((await post(app.main, gone)).statusCode, 201);
    assert.equal(
      (await post(app.main, event({ occurredAt: old.toISOString(), id: "0197a000-0000-7000-8000-000000000001" })))
        .statusCode,
      201,
    );
    await migrate(configOf(content({ retentionDays: 100 })), silent);
    assert.deepEqual([...(await database.stored()).keys()].sort(), kept.map((e) => e.id).sort());
    await stop();
  });

  it("keeps an event that is stored when its id's month has been dropped", async () => {
    await migrate(configOf(content()), silent);
    const { app, stop } = await startApp(database.runtime);
    const sent = event();
    assert.equal((await post(app.main, sent)).statusCode, 201);
    await database.query("DELETE FROM audit.ids");
    assert.equal((await post(app.main, [event(), { ...sent, actor: "eve" }])).statusCode, 409);
    assert.equal((await post(app.main, [event(), sent])).statusCode, 201);
    assert.equal((await database.stored()).get(sent.id), 1);
    await stop();
  });

  it("becomes ownerRole first, so that a short-lived owner login can be dropped", async () => {
    const login = await database.addLogin();
    await database.query(`GRANT ${database.owner.user} TO ${login.user}`);
    await migrate(
      configOf({ database: login, runtimeRole: database.runtimeRole, ownerRole: database.owner.user }),
      silent,
    );
    const owners = await database.query("SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'audit'");
    assert.deepEqual(owners, [{ tableowner: database.owner.user }]);
  });

  it("leaves nothing behind when a migration fails, and shows the database's message", async () => {
    await database.query(`CREATE SCHEMA audit AUTHORIZATION ${database.owner.user}`);
    // The last object of the first migration exists already and belongs to another owner.
    await database.query(
      "CREATE FUNCTION audit.drop_before(p_before timestamptz) RETURNS integer LANGUAGE sql AS 'SELECT 1'",
    );
    const outcome = await run(content());
    assert.equal(outcome.code, 2, outcome.out);
    assert.match(
      outcome.out,
      /^audit-svc: migrate: function "drop_before" already exists with same argument types \(42723\)\n$/,
    );
    assert.deepEqual(
      await database.query(
        "SELECT relname FROM pg_class WHERE relnamespace = 'audit'::regnamespace AND relkind IN ('r', 'p')",
      ),
      [],
    );
  });

  it("refuses a database whose migrations are not these files", async () => {
    await migrate(configOf(content()), silent);
    await database.query("UPDATE audit.schema_migrations SET md5 = 'other' WHERE version = 1");
    await assert.rejects(migrate(configOf(content()), silent), {
      name: "UserError",
      message: "migrate: MD5 checksum failed for migration [1]",
    });
  });

  it("says what is wrong with its settings", async () => {
    assert.deepEqual(await run({}), {
      code: 2,
      out: "audit-svc: configuration: the file: must have required properties database.\n",
    });
    assert.deepEqual(await run(content(), "--down"), {
      code: 2,
      out: 'audit-svc: migrate: unknown argument "--down"; only --check is known.\n',
    });
    const wrong = await run(content({ runtimeRole: "nobody_there" }));
    assert.deepEqual(
      [wrong.code, wrong.out.split("\n").at(-2)],
      [2, 'audit-svc: migrate: role "nobody_there" does not exist (42704)'],
    );
  });

  it("waits for a way to the database, but not for ever, and not for another password", async () => {
    const { host, port } = database.owner;
    const way = createServer((client) => {
      client.on("error", () => undefined);
      client.pipe(createConnection({ host, port }).on("error", () => undefined)).pipe(client);
    });
    way.unref();
    await new Promise<void>((resolve) => way.listen(0, "127.0.0.1", resolve));
    const through = { ...database.owner, host: "127.0.0.1", port: (way.address() as AddressInfo).port };
    const close = () => new Promise((resolve) => way.close(resolve));
    const timed = async (settings: DatabaseConfig) => {
      const begun = performance.now();
      const outcome = await run(content({ database: settings }), "--check");
      return { ...outcome, seconds: (performance.now() - begun) / 1000 };
    };

    const wrong = await timed({ ...through, password: "wrong" });
    assert.equal(wrong.code, 2);
    assert.match(wrong.out, /^audit-svc: database: password authentication failed/);
    assert.ok(wrong.seconds < 10, `${wrong.seconds} s`);

    await close();
    setTimeout(() => way.listen(through.port, "127.0.0.1"), 4000);
    const late = await timed(through);
    assert.equal(late.code, 3, late.out);
    await close();

    const never = await timed(through);
    assert.deepEqual(
      [never.code, never.out],
      [2, `audit-svc: database: connect ECONNREFUSED 127.0.0.1:${through.port}\n`],
    );
    assert.ok(never.seconds >= 15 && never.seconds < 30, `${never.seconds} s`);
  });
});
