import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import type pg from "pg";
import { migrate } from "../src/migrate.js";
import { SCHEMA_VERSION } from "../src/storage.js";
import { type TestDatabase, configOf } from "./support/database.js";
import { event, post } from "./support/events.js";
import { connectFormer, createFormer, storeAsFormer } from "./support/former.js";
import { startPgbouncer } from "./support/pgbouncer.js";
import { pause } from "./support/postgres.js";
import { startApp } from "./support/service.js";

/** Version of the schema that the previous release left. */
const FORMER = 2;

type Sent = ReturnType<typeof event>;

/** The previous release's readiness probe. */
const FORMER_PROBE = `SELECT has_table_privilege(to_regclass('audit.events'), 'INSERT')
  AND has_table_privilege(to_regclass('audit.event_ids'), 'INSERT') AS may`;

describe("ids by application, on a database that is in use", function () {
  this.timeout(60_000);
  let database: TestDatabase;
  const acked: Sent[] = [];
  before(async () => {
    database = await createFormer(FORMER);
  });
  after(() => database.drop());

  const client = (): Promise<pg.Client> => connectFormer(database.runtime);
  const store = async (db: pg.Client, events: readonly Sent[]): Promise<void> => {
    await storeAsFormer(db, events);
    acked.push(...events);
  };
  const some = (count: number): Sent[] =>
    Array.from({ length: count }, (_, i) =>
      event({
        application: ["billing", "crm"][i % 2],
        ...(i % 3 === 0 ? { id: randomUUID() } : {}),
        occurredAt: new Date(Date.now() - (i % 70) * 86_400_000).toISOString(),
      }),
    );

  it("carries over what is stored while the previous release keeps storing", async () => {
    const first = await client();
    for (let i = 0; i < 10; i++) await store(first, some(1000));
    // An index left by a killed migrate.
    await database.query("CREATE UNIQUE INDEX events_before_key ON audit.events_before (occurred_at, id, application); UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'audit.events_before_key'::regclass"); // prettier-ignore
    let running = true;
    const load = Promise.all(
      Array.from({ length: 4 }, async () => {
        const db = await client();
        while (running) {
          await store(db, some(5));
          // Events that are stored already, old and new.
          await store(db, [acked[Math.floor(Math.random() * acked.length)] ?? event()]);
        }
        await db.end();
      }),
    );
    // A reader in a long transaction, like a backup: it may delay the migration, but nobody else.
    const reader = await client();
    await reader.query("BEGIN; SELECT count(*) FROM audit.events");
    const before = acked.length;
    const lines: string[] = [];
    const run = (): Promise<number> =>
      migrate(configOf({ database: database.owner, runtimeRole: database.runtimeRole }), {
        check: false,
        print: (line) => lines.push(line),
      });
    const migrated = Promise.all([run(), run()]);
    await pause(4000);
    assert.ok(acked.length > before + 100, "the load stood still");
    await reader.query("COMMIT");
    await reader.end();
    const steps = (await migrated).reduce((sum, n) => sum + n, 0);
    const after = acked.length;
    while (acked.length < after + 100) await pause(20);
    running = false;
    await load;
    await first.end();
    assert.equal(steps, SCHEMA_VERSION - FORMER);
    // At most once per migrate, however often it yielded to the reader.
    const carried = lines.filter((line) => line.startsWith("carried over")).length;
    assert.ok(carried === 1 || carried === 2, lines.join("\n"));
    const ids = new Set(acked.map(({ id }) => id));
    const stored = await database.stored();
    assert.deepEqual(
      [...ids].filter((id) => stored.get(id) !== 1),
      [],
    );
    assert.deepEqual(
      await database.query(`
        SELECT count(*)::int AS events, (SELECT count(*)::int FROM audit.ids) AS ids, count(i.id)::int AS both
          FROM audit.events e LEFT JOIN audit.ids i USING (id, application, occurred_at)`),
      [{ events: ids.size, ids: ids.size, both: ids.size }],
    );
  });

  it("keeps the previous release ready and storing for a day, even when migrate runs again", async () => {
    const db = await client();
    assert.deepEqual((await db.query(FORMER_PROBE)).rows, [{ may: true }]);
    await store(db, [event()]);
    await db.end();
  });

  it("knows every id that was carried over, by its application", async () => {
    const { app, stop } = await startApp(database.runtime);
    const old = acked.filter((_, i) => i % 500 < 3);
    for (const one of old) {
      assert.equal((await post(app.main, one)).statusCode, 201);
      assert.equal((await post(app.main, { ...one, actor: "eve" })).statusCode, 409);
      assert.equal((await post(app.main, { ...one, application: "other", actor: "eve" })).statusCode, 201);
    }
    await stop();
  });

  it("removes what the previous release needed after a day", async () => {
    const content = { database: database.owner, runtimeRole: database.runtimeRole };
    await database.query("UPDATE audit.schema_migrations SET run_at = run_at - interval '25 hours'");
    await migrate(configOf(content), { check: false, print: () => undefined });
    const db = await client();
    assert.deepEqual((await db.query(FORMER_PROBE)).rows, [{ may: false }]);
    await assert.rejects(db.query("INSERT INTO audit.events (recorded_at) VALUES (now())"), { code: "42501" });
    await store(db, [event()]);
    await db.end();
  });
});

describe("the step to version 4", function () {
  this.timeout(60_000);
  let database: TestDatabase;
  beforeEach(async () => {
    database = await createFormer(FORMER);
  });
  afterEach(() => database.drop());
  const run = (): Promise<number> =>
    migrate(configOf({ database: database.owner, runtimeRole: database.runtimeRole }), {
      check: false,
      print: () => undefined,
    });

  it("works where everybody may insert, and grants nobody else the function that stores", async () => {
    await database.query("GRANT INSERT ON audit.events TO PUBLIC");
    assert.equal(await run(), SCHEMA_VERSION - FORMER);
    assert.deepEqual(
      await database.query(
        "SELECT DISTINCT grantee::regrole::text AS role FROM pg_proc, aclexplode(proacl) WHERE proname = 'store' ORDER BY 1",
      ),
      [{ role: database.owner.user }, { role: database.runtimeRole }],
    );
  });

  it("says that it needs two connections if the login may have only one", async () => {
    const hint =
      /^migrate: version 4 needs a second connection beside the one that migrates: too many connections for role .*; allow this login two \(CONNECTION LIMIT, pgbouncer's default_pool_size\)/;
    await database.query(`ALTER ROLE ${database.owner.user} CONNECTION LIMIT 1`);
    await assert.rejects(run(), { name: "UserError", message: hint });
    await database.query(`ALTER ROLE ${database.owner.user} CONNECTION LIMIT 2`);
    // Step 3 was done before the one that needs two connections.
    assert.equal(await run(), SCHEMA_VERSION - 3);
  });

  it("says so if a pooler has only one, too", async function () {
    this.timeout(300_000);
    const pooler = await startPgbouncer(database, { pool_mode: "transaction", default_pool_size: "1" });
    try {
      const config = configOf({ database: pooler.through(database.owner), runtimeRole: database.runtimeRole });
      await assert.rejects(migrate(config, { check: false, print: () => undefined }), {
        name: "UserError",
        message: /needs a second connection .*: Query read timeout; allow this login two/,
      });
    } finally {
      pooler.stop();
    }
  });
});
