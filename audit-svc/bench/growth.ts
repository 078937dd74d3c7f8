import { encodeCursor } from "../src/cursor.js";
import type { TestDatabase } from "../test/support/database.js";
import { tokens } from "../test/support/service.js";
import { type Row, boundRow, median, ratioRow } from "./rows.js";
import type { World } from "./world.js";

const CHUNK = 200_000;
const DAYS = 30;

/** The ingestion's rate with and without many rows in the table, and pages out of these many rows at any depth. */
export async function growth(world: World): Promise<Row[]> {
  const { rows, log } = world.options;
  const database = await world.database();
  const target = await world.service(database);
  try {
    const before: number[] = [];
    const after: number[] = [];
    const rounds = world.options.quick ? 1 : 3;
    for (let i = 0; i < rounds; i++) before.push((await world.load(target)).rate);
    await fill(database, rows, log);
    for (let i = 0; i < rounds; i++) after.push((await world.load(target)).rate);
    log(`rate ${median(before).toFixed(0)} empty, ${median(after).toFixed(0)} with ${rows} rows`);
    return [
      ratioRow(`rate-at-${rows}-rows`, "events/s", median(after), "the same with an empty table", median(before), 0.9),
      boundRow(`page-at-${rows}-rows`, "ms", await slowestPage(target.url, log), 10),
    ];
  } finally {
    await target.stop();
    await database.drop();
  }
}

// Made in SQL: 10,000 actors, 20 applications, 50 actions, outcomes as uneven as in life, spread over a month, ids as
// clients make them (UUIDv7 of the event's time).
async function fill(database: TestDatabase, rows: number, log: (line: string) => void): Promise<void> {
  await database.query("CREATE UNLOGGED TABLE IF NOT EXISTS public.filling (id uuid, at timestamptz, i bigint)");
  for (let from = 0; from < rows; from += CHUNK) {
    const to = Math.min(rows, from + CHUNK) - 1;
    await database.query(`
      TRUNCATE public.filling;
      INSERT INTO public.filling
        SELECT (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7' || substr(h, 1, 3) || '8' || substr(h, 4, 15))::uuid, at, i
        FROM (SELECT i, md5(i::text) AS h, now() - interval '${DAYS} days' * (1 - i::float8 / ${rows}) AS at FROM generate_series(${from}, ${to}) i) s;
      INSERT INTO audit.event_ids (id, occurred_at, bucket)
        SELECT id, at, audit.month_bucket(to_timestamp(('x' || lpad(replace(left(id::text, 13), '-', ''), 16, '0'))::bit(64)::bigint / 1000.0) AT TIME ZONE 'UTC') FROM public.filling;
      INSERT INTO audit.events (id, occurred_at, application, actor, action, resource, outcome, data)
        SELECT id, at, 'application-' || i % 20, 'actor-' || (i * 7919) % 10000, 'action-' || (i * 31) % 50, 'resource/' || i,
               CASE WHEN i % 100 < 90 THEN 'success' WHEN i % 100 < 95 THEN 'failure' WHEN i % 100 < 99 THEN 'denied' ELSE 'error' END,
               '{"amount": 12.5, "tags": ["web"]}'
        FROM public.filling`);
    if ((to + 1) % (CHUNK * 10) === 0 || to + 1 === rows) log(`${to + 1} rows`);
  }
  await database.query("DROP TABLE public.filling; ANALYZE audit.events; ANALYZE audit.event_ids");
  await database.query("CHECKPOINT");
}

/** Milliseconds: for each filter and depth the median of some pages; the slowest of these. */
async function slowestPage(url: string, log: (line: string) => void): Promise<number> {
  const filters = [
    "",
    "application=application-3",
    "actor=actor-77",
    "action=action-7",
    "outcome=success",
    "outcome=error",
    "application=application-19&outcome=error",
    "application=application-12&outcome=failure",
  ];
  let worst = 0;
  for (const filter of filters) {
    for (const depth of [0, 0.5, 0.99]) {
      const occurredAt = new Date(Date.now() - depth * DAYS * 86_400_000).toISOString().replace("Z", "000Z");
      const cursor =
        depth === 0 ? "" : `&cursor=${encodeCursor({ occurredAt, id: "ffffffff-ffff-4fff-bfff-ffffffffffff" })}`;
      const times: number[] = [];
      for (let i = 0; i < 15; i++) {
        const began = performance.now();
        const answer = await fetch(`${url}/v1/events?limit=50&${filter}${cursor}`, {
          headers: { authorization: `Bearer ${tokens.reader}` },
        });
        const { events } = (await answer.json()) as { events: unknown[] };
        times.push(performance.now() - began);
        if (answer.status !== 200 || (depth < 0.99 && events.length === 0))
          throw new Error(`page "${filter}" at ${depth}: ${answer.status}, ${events.length} events`);
      }
      const ms = median(times.slice(5));
      log(`page "${filter}" at depth ${depth}: ${ms.toFixed(1)} ms`);
      worst = Math.max(worst, ms);
    }
  }
  return worst;
}
