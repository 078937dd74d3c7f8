import assert from "node:assert/strict";
import type pg from "pg";
import { migrate } from "../../src/migrate.js";
import { takeIn } from "../../src/take-in.js";
import { type TestDatabase, configOf } from "../support/database.js";
import { event } from "../support/events.js";
import { connectFormer, createFormer, storeAsFormer } from "../support/former.js";
import { LoggingService } from "../support/log.js";
import { pause } from "../support/postgres.js";

describe("events from before the log", function () {
  this.timeout(60_000);
  let database: TestDatabase;
  let stored = 0;
  /** Whether clients go on storing. */
  let running = false;
  before(async () => {
    database = await createFormer(4);
  });
  afterEach(() => (running = false));
  after(() => database.drop());

  const store = async (db: pg.Client, count: number): Promise<void> => {
    const events = Array.from({ length: count }, (_, i) =>
      event({ occurredAt: new Date(Date.now() - (i % 70) * 86_400_000).toISOString() }),
    );
    await storeAsFormer(db, events);
    stored += count;
  };

  it("are taken in while the previous release keeps storing, also after an interruption", async () => {
    const first = await connectFormer(database.runtime);
    for (let i = 0; i < 20; i++) await store(first, 1000);
    await first.end();
    running = true;
    const load = Promise.all(
      Array.from({ length: 4 }, async () => {
        const db = await connectFormer(database.runtime);
        while (running) await store(db, 5);
        await db.end();
      }),
    );
    const before = stored;
    const lines: string[] = [];
    const run = (): Promise<number> =>
      migrate(configOf({ database: database.owner, runtimeRole: database.runtimeRole }), {
        check: false,
        print: (line) => lines.push(line),
      });
    // The first attempt ends in the middle of the events, as if it had been killed.
    await database.query("CREATE FUNCTION audit.fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.seq > -999999999999000 THEN RAISE EXCEPTION 'killed'; END IF; RETURN NEW; END $$; CREATE TRIGGER fail BEFORE UPDATE ON audit.events FOR EACH ROW EXECUTE FUNCTION audit.fail()"); // prettier-ignore
    await assert.rejects(run(), { message: /killed/ });
    // The table first, as writers do: the function's triggers are on its partitions.
    await database.query("BEGIN; LOCK TABLE audit.events; DROP FUNCTION audit.fail() CASCADE; COMMIT");
    const more = stored;
    while (stored < more + 100) await pause(20);
    assert.equal(
      (await Promise.all([run(), run()])).reduce((sum, n) => sum + n, 0),
      2, // 6 and 7
    );
    assert.ok(stored > before + 100, "the load stood still");
    assert.match(lines.find((line) => line.startsWith("taken in:")) ?? "", /^taken in: \d+ events$/);
    const after = stored;
    while (stored < after + 100) await pause(20);
    running = false;
    await load;
    assert.deepEqual(
      await database.query(`SELECT count(*)::int AS events, count(DISTINCT seq)::int AS seqs, count(DISTINCT salt)::int AS salts,
          (SELECT bool_and(indisvalid) FROM pg_index WHERE indexrelid::regclass::text LIKE 'audit.events%seq') AS valid
        FROM audit.events`),
      [{ events: stored, seqs: stored, salts: stored, valid: true }],
    ); // prettier-ignore
  });

  it("come before all others in the log, and verify", async () => {
    const service = await LoggingService.start(database.runtime);
    try {
      await service.covers(stored);
      const verdict = await service.verify();
      assert.deepEqual([verdict.whole, verdict.size, verdict.events, verdict.findings], [true, stored, stored, []]);
    } finally {
      await service.stop();
    }
  });

  it("leave nothing to do for a second time", async () => {
    const lines: string[] = [];
    await takeIn({ ...database.owner, database: database.owner.name }, undefined, (line) => lines.push(line));
    assert.deepEqual(lines, ["taken in: 0 events"]);
  });

  it("share their index with the partitions that are made later", async () => {
    await database.query("UPDATE audit.first_month SET month = month");
    const [last] = await database.query<{ name: string }>(
      "SELECT max(relname) AS name FROM pg_class WHERE relname ~ '^events_[0-9]{4}_[0-9]{2}$'",
    );
    await database.query(`DROP TABLE audit.${last?.name}; SELECT audit.ensure_partitions()`);
    assert.deepEqual(
      await database.query(`
        SELECT count(*)::int AS partitions, (SELECT count(*)::int FROM pg_inherits WHERE inhparent = 'audit.events_seq'::regclass) AS indexes
          FROM pg_inherits WHERE inhparent = 'audit.events'::regclass`),
      [{ partitions: 5, indexes: 5 }],
    ); // prettier-ignore
    assert.match(
      (await database.query<{ d: string }>(`SELECT pg_get_expr(adbin, adrelid) AS d FROM pg_attrdef JOIN pg_attribute ON attrelid = adrelid AND attnum = adnum WHERE adrelid = 'audit.${last?.name}'::regclass AND attname = 'seq'`))[0]?.d ?? "",
      /event_seq/,
    ); // prettier-ignore
  });
});
