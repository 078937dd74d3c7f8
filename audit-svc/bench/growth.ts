import { type Row, boundRow, median, ratioRow } from "./row.js";
import { encodeCursor } from "../src/cursor.js";
import type { TestDatabase } from "../test/support/database.js";
import { tokens } from "../test/support/service.js";
import type { World } from "./world.js";

const area = "audit-svc";
const CHUNK = 500_000;
const DAYS = 30;

/** Ingestion rate with and without many rows in the table, and the latency of pages at any depth. */
export async function growth(world: World): Promise<Row[]> {
  const { rows, quick, log } = world.options;
  const database = await world.database();
  const target = await world.service(database);
  try {
    const rates = async (): Promise<number> => {
      const found: number[] = [];
      for (let i = 0; i < (quick ? 1 : 3); i++) found.push((await world.load(target)).rate);
      log(`rates: ${found.map((rate) => rate.toFixed(0)).join(", ")}`);
      return median(found);
    };
    const empty = await rates();
    await fill(database, rows, log);
    const full = await rates();
    const name = (what: string): string => `${what}-at-${rows}-rows`;
    const page = { area, unit: "ms" };
    return [
      ratioRow({ area, name: name("rate"), unit: "events/s", ours: full }, "the same, empty table", empty, 0.9),
      boundRow({ ...page, name: name("page"), ours: await slowest(target.url, ONE, log) }, 10),
      boundRow({ ...page, name: name("page-of-two-filters"), ours: await slowest(target.url, TWO, log) }, 10),
    ];
  } finally {
    target.stop();
    await database.drop();
  }
}

/**
 * Fills the table in SQL: values as in world.ts, spread over a month, with ids as clients create them (UUIDv7 of the
 * event's time). Indexes are created afterwards, which is several times faster with the same result.
 */
async function fill(database: TestDatabase, rows: number, log: (line: string) => void): Promise<void> {
  const indexes = await database.query<{ indexname: string; indexdef: string }>(
    "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'audit' AND tablename = 'events' AND indexname <> 'events_pkey'",
  );
  for (const { indexname } of indexes) await database.query(`DROP INDEX audit.${indexname}`);
  await database.query("ALTER TABLE audit.events DROP CONSTRAINT events_pkey");
  await database.query("ALTER SYSTEM SET max_wal_size = '8GB'; ").catch(() => undefined);
  await database.query("SELECT pg_reload_conf()");
  const now = new Date().toISOString();
  const source = (from: number, to: number): string => `
    SELECT (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7' || substr(h, 1, 3) || '8' || substr(h, 4, 15))::uuid AS id, at, i
    FROM (SELECT i, md5(i::text) AS h, '${now}'::timestamptz - interval '${DAYS} days' * (1 - i::float8 / ${rows}) AS at FROM generate_series(${from}, ${to}) i) s`;
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let from = next; from < rows; from = next) {
      next = from + CHUNK;
      const to = Math.min(rows, next) - 1;
      await database.query(`
        INSERT INTO audit.ids (id, occurred_at, bucket, application)
          SELECT id, at, audit.month_bucket(date_trunc('milliseconds', at) AT TIME ZONE 'UTC'), 'application-' || i % 23 FROM (${source(from, to)}) s`);
      await database.query(`
        INSERT INTO audit.events (id, occurred_at, application, actor, action, resource, outcome, data)
          SELECT id, at, 'application-' || i % 23, 'actor-' || (i::bigint * 7) % 10007, 'action-' || i % 53, 'resource/' || i,
                 CASE WHEN i % 101 < 91 THEN 'success' WHEN i % 101 < 96 THEN 'failure' WHEN i % 101 < 100 THEN 'denied' ELSE 'error' END,
                 '{"amount": 12.5, "tags": ["web"]}'
          FROM (${source(from, to)}) s`);
      if ((to + 1) % (CHUNK * 4) === 0 || to + 1 === rows) log(`${to + 1} rows`);
    }
  };
  await Promise.all([worker(), worker()]);
  const memory = "SET maintenance_work_mem = '512MB'; SET max_parallel_maintenance_workers = 1";
  await database.query(
    `${memory}; ALTER TABLE audit.events ADD CONSTRAINT events_pkey PRIMARY KEY (occurred_at, id, application)`,
  );
  for (const { indexname, indexdef } of indexes) {
    await database.query(`${memory}; ${indexdef.replace(" ON ONLY ", " ON ")}`);
    log(`index ${indexname}`);
  }
  await database.query("VACUUM (ANALYZE) audit.events");
  await database.query("VACUUM (ANALYZE) audit.ids");
  await database.query("ALTER SYSTEM RESET max_wal_size");
  await database.query("SELECT pg_reload_conf()");
  await database.query("CHECKPOINT");
  const size = await database.query<{ size: string }>(
    "SELECT pg_size_pretty(pg_database_size(current_database())) AS size",
  );
  log(`${rows} rows, ${size[0]?.size}`);
}

const ONE = ["", "application=application-3", "actor=actor-77", "action=action-7", "outcome=success", "outcome=error"];
const TWO = [
  "application=application-19&outcome=error",
  "application=application-12&action=action-7",
  "action=action-7&outcome=error",
  "actor=actor-77&outcome=failure",
  "actor=actor-77&application=application-5",
];

/** Milliseconds: the slowest of the medians, each over several pages of 50 for one filter and depth. */
async function slowest(url: string, filters: readonly string[], log: (line: string) => void): Promise<number> {
  let worst = 0;
  for (const filter of filters) {
    for (const depth of [0, 0.5, 0.99]) {
      const occurredAt = new Date(Date.now() - depth * DAYS * 86_400_000).toISOString().replace("Z", "000Z");
      const cursor =
        depth === 0
          ? ""
          : `&cursor=${encodeCursor({ occurredAt, id: "ffffffff-ffff-4fff-bfff-ffffffffffff", application: "x" })}`;
      const times: number[] = [];
      let found = 0;
      for (let i = 0; i < 15; i++) {
        const began = performance.now();
        const answer = await fetch(`${url}/v1/events?limit=50&${filter}${cursor}`, {
          headers: { authorization: `Bearer ${tokens.reader}` },
        });
        const { events } = (await answer.json()) as { events: unknown[] };
        times.push(performance.now() - began);
        if (answer.status !== 200) throw new Error(`page "${filter}" at ${depth}: ${answer.status}`);
        found = events.length;
      }
      // The first requests only warm the caches for this page.
      const ms = median(times.slice(5));
      log(`page "${filter}" at depth ${depth}: ${ms.toFixed(1)} ms, ${found} events, first ${times[0]?.toFixed(1)} ms`);
      worst = Math.max(worst, ms);
    }
  }
  return worst;
}
