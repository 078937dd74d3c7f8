import assert from "node:assert/strict";
import { migrate } from "../src/migrate.js";
import { type TestDatabase, configOf, createDatabase } from "./support/database.js";
import { event, get, post } from "./support/events.js";
import { type Pooler, startPgbouncer } from "./support/pgbouncer.js";
import { configContent, startApp } from "./support/service.js";

const AT = "2026-11-01T05:34:53.250000Z";

for (const [what, settings] of Object.entries<Record<string, string>>({
  "session mode, its defaults": { pool_mode: "session" },
  "session mode, ignoring options": { pool_mode: "session", ignore_startup_parameters: "options" },
  "transaction mode, its defaults": { pool_mode: "transaction" },
  // Only two connections, so that statements really change connections.
  "transaction mode, a small pool": { pool_mode: "transaction", default_pool_size: "2" },
  // As before 1.21: a statement's name is known to some connections and not to others.
  "transaction mode, without named statements": { pool_mode: "transaction", default_pool_size: "2", max_prepared_statements: "0" }, // prettier-ignore
})) {
  describe(`pgbouncer in ${what}`, function () {
    this.timeout(60_000);
    let database: TestDatabase;
    let pooler: Pooler;
    const lines: string[] = [];
    const prepare = (): Promise<number> => {
      const content = { database: pooler.through(database.owner), runtimeRole: database.runtimeRole };
      return migrate(configOf(content), { check: false, print: (line) => lines.push(line) });
    };
    before(async function () {
      // The first one builds its image.
      this.timeout(300_000);
      database = await createDatabase({ migrated: false });
      // Settings that the service never sets and must not depend on.
      await database.query(`
        ALTER DATABASE ${database.name} SET TimeZone = 'Europe/Moscow';
        ALTER DATABASE ${database.name} SET DateStyle = 'SQL, DMY';
        ALTER DATABASE ${database.name} SET IntervalStyle = 'sql_standard';
        ALTER DATABASE ${database.name} SET standard_conforming_strings = off;
        ALTER DATABASE ${database.name} SET search_path = pg_temp;
        ALTER DATABASE ${database.name} SET default_transaction_isolation = 'repeatable read'`);
      pooler = await startPgbouncer(database, settings);
    });
    after(async () => {
      pooler.stop();
      await database.drop();
    });

    it("migrates, again and several at once", async () => {
      await Promise.all([prepare(), prepare(), prepare()]);
      assert.equal(lines.filter((line) => line.startsWith("applied: 1 ")).length, 1, lines.join("\n"));
      assert.equal(await prepare(), 0);
      assert.deepEqual(
        await database.query("SELECT FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"), // prettier-ignore
        [],
        "a lock that outlives its migrate",
      );
    });

    it("stores, pages, exports and reloads, with the times that were sent", async () => {
      const { app, file, stop } = await startApp(pooler.through(database.runtime));
      const sent = Array.from({ length: 250 }, (_, i) => event({ occurredAt: AT, resource: `r/${i}` }));
      const answers = await Promise.all([...sent, ...sent.slice(0, 50)].map((one) => post(app.main, one)));
      for (const answer of answers) assert.equal(answer.statusCode, 201, answer.body);
      assert.equal((await post(app.main, sent)).statusCode, 201);
      assert.equal((await post(app.main, { ...sent[0], actor: "eve" })).statusCode, 409);

      const seen: { id: string; occurredAt: string; recordedAt: string }[] = [];
      for (let next: string | null = ""; next !== null;) {
        const page = await get(app.main, `/v1/events?limit=100${next === "" ? "" : `&cursor=${next}`}`);
        const body = page.json<{ events: typeof seen; next: string | null }>();
        seen.push(...body.events);
        next = body.next;
        assert.ok(seen.length <= sent.length, "the pages do not end");
      }
      const exported = (await get(app.main, "/v1/events/export")).body;
      const read = exported.trimEnd().split("\n").map((line) => JSON.parse(line) as (typeof seen)[number]); // prettier-ignore
      for (const events of [seen, read]) {
        assert.deepEqual(events.map(({ id }) => id).sort(), sent.map(({ id }) => id).sort());
        for (const { occurredAt, recordedAt } of events) {
          assert.equal(occurredAt, AT);
          assert.ok(Math.abs(Date.parse(recordedAt) - Date.now()) < 60_000, recordedAt);
        }
      }
      const exactly = await get(app.main, `/v1/events?from=${AT}&to=2026-11-01T05:34:53.250001Z&limit=1000`);
      assert.equal(exactly.json<{ events: unknown[] }>().events.length, 250);

      file.write(configContent(pooler.through(database.runtime), { readers: 2 }));
      const reload = await app.admin.inject({ method: "POST", url: "/reload" });
      assert.deepEqual([reload.statusCode, reload.json<{ result: string }>().result], [200, "applied"], reload.body);
      assert.equal((await app.main.inject("/readyz")).statusCode, 200);
      assert.equal((await post(app.main, event())).statusCode, 201);
      await stop();
    });
  });
}
