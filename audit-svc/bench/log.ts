import { execFile } from "node:child_process";
import { dirname, join } from "node:path";
import { writeFileSync } from "node:fs";
import { promisify } from "node:util";
import pg from "pg";
import type { TestDatabase } from "../test/support/database.js";
import { ORIGIN, newDirectory, newKey } from "../test/support/log.js";
import { until } from "../test/support/postgres.js";
import { program, tokens } from "../test/support/service.js";
import { type Row, boundRow, median, ratioRow, shownRow } from "./row.js";
import type { Target, World } from "./world.js";

const area = "audit-svc";
const VERIFIED = 1_000_000;
/** Entries of a tree for how long an answer takes. Only the newest have events: an answer reads no more than its own. */
const GROWN = 20_000_000;
const NEWEST = 1_000;

/** A database as it was before the log: without the two columns and their index. */
async function withoutLog(world: World): Promise<TestDatabase> {
  const database = await world.database();
  await database.query("DROP INDEX audit.events_seq; ALTER TABLE audit.events DROP COLUMN seq, DROP COLUMN salt");
  return database;
}

interface Checkpoint {
  readonly lastSeq: number;
  readonly madeAt: number;
}

/** Watches the checkpoints while something runs, over one connection: each new one would cost what is measured. */
async function watched(database: TestDatabase, work: () => Promise<unknown>): Promise<Checkpoint[]> {
  const { host, port, user, password, name } = database.owner;
  const client = new pg.Client({ host, port, user, password, database: name });
  await client.connect();
  const seen = new Map<number, Checkpoint>();
  let running = true;
  const watch = (async (): Promise<void> => {
    while (running) {
      const { rows } = await client.query<Checkpoint>(
        `SELECT last_seq::float8 AS "lastSeq", extract(epoch FROM made_at)::float8 AS "madeAt"
           FROM audit.log_checkpoints WHERE kind = 'signed'`,
      );
      for (const row of rows) if (!seen.has(row.lastSeq)) seen.set(row.lastSeq, row);
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  })();
  await work();
  running = false;
  await watch;
  await client.end();
  return [...seen.values()].sort((a, b) => a.lastSeq - b.lastSeq);
}

/** Seconds from an event's transaction to the first checkpoint that covers it: the 99th percentile. */
async function delay(database: TestDatabase, checkpoints: readonly Checkpoint[]): Promise<number> {
  const events = await database.query<{ seq: number; at: number }>(
    "SELECT seq::float8 AS seq, extract(epoch FROM recorded_at)::float8 AS at FROM audit.events WHERE seq % 101 = 0 AND seq <= $1",
    [checkpoints.at(-1)?.lastSeq ?? 0],
  );
  const delays = events.map(({ seq, at }) => (checkpoints.find(({ lastSeq }) => lastSeq >= seq)?.madeAt ?? NaN) - at);
  return delays.sort((a, b) => a - b)[Math.floor(delays.length * 0.99)] ?? NaN;
}

/** Bytes of everything that an event takes, once it is in the log. */
async function bytesPerEvent(database: TestDatabase): Promise<number> {
  const [row] = await database.query<{ bytes: number }>(
    `SELECT sum(pg_total_relation_size(oid))::float8 / (SELECT count(*) FROM audit.events) AS bytes
       FROM pg_class WHERE relnamespace = 'audit'::regnamespace AND relkind = 'r' AND relname NOT LIKE 'ids%'`,
  );
  return row?.bytes ?? NaN;
}

/** The rates with and without the log, by turns, the time to a checkpoint meanwhile, and what the log takes. */
export async function log(world: World): Promise<Row[]> {
  const { quick } = world.options;
  const key = newKey();
  const settings = { origin: ORIGIN, signer: { privateKey: key.privateKey } };
  const rates = { with1: [], without1: [], with100: [], without100: [] } as Record<string, number[]>;
  const bytes = { with: [], without: [] } as Record<string, number[]>;
  const delays: number[] = [];
  const turn = async (name: "with" | "without", batch: number): Promise<void> => {
    const database = name === "with" ? await world.database() : await withoutLog(world);
    const target = await world.service(database, {}, name === "with" ? { log: settings } : {});
    try {
      const checkpoints =
        name === "with"
          ? await watched(database, async () => {
              const { rate } = await world.load(target, batch);
              rates[`with${batch}`]?.push(rate * batch);
              await until(() => settled(database), 60_000, "the log to come to rest");
            })
          : void rates[`without${batch}`]?.push((await world.load(target, batch)).rate * batch);
      if (checkpoints !== undefined) delays.push(await delay(database, checkpoints));
      if (batch > 1) bytes[name]?.push(await bytesPerEvent(database));
      world.options.log(`${name} the log, ${batch} a request: ${rates[`${name}${batch}`]?.at(-1)?.toFixed(0)} events/s, to a checkpoint p99 ${delays.at(-1)?.toFixed(1)} s, ${bytes[name]?.at(-1)?.toFixed(0)} bytes an event`); // prettier-ignore
    } finally {
      target.stop();
      await database.drop();
    }
  };
  for (let round = 0; round < (quick ? 1 : 3); round++)
    for (const batch of [1, 100]) for (const name of ["without", "with"] as const) await turn(name, batch);
  const middle = (name: string): number => median(rates[name] ?? []);
  const rate = (name: string, batch: number): Row =>
    ratioRow({ area, name: `log-${name}`, unit: "events/s", ours: middle(`with${batch}`) }, "the same without a log", middle(`without${batch}`), 0.92); // prettier-ignore
  return [
    rate("single", 1),
    rate("batch-100", 100),
    boundRow({ area, name: "log-commit-to-checkpoint-p99", unit: "s", ours: Math.max(...delays) }, 10),
    shownRow({ area, name: "log-storage-per-event", unit: "bytes", ours: median(bytes.with ?? []) }, "the same without a log", median(bytes.without ?? [])), // prettier-ignore
    ...(await verifying(world, settings, key.vkey)),
    ...(await grown(world, settings)),
  ];
}

async function settled(database: TestDatabase): Promise<boolean> {
  const [row] = await database.query<{ done: boolean }>(
    "SELECT (SELECT max(seq) FROM audit.events) <= (SELECT last_seq FROM audit.log_checkpoints WHERE kind = 'signed') AS done",
  );
  return row?.done === true;
}

/** How long it takes to verify many events, and to get a proof among them. */
async function verifying(world: World, settings: object, vkey: string): Promise<Row[]> {
  const { quick } = world.options;
  const events = quick ? VERIFIED / 20 : VERIFIED;
  const database = await world.database();
  const target = await world.service(database, {}, { log: settings });
  try {
    await fill(database, events);
    await until(() => settled(database), 300_000, "the log to come to rest");
    const directory = newDirectory();
    writeFileSync(join(directory, "token"), tokens.reader);
    const verify = join(dirname(program()), "verify.js");
    const began = performance.now();
    const { stdout } = await promisify(execFile)(process.execPath, [
      ...[verify, "--url", target.url, "--token-file", join(directory, "token"), "--key", vkey],
    ]);
    const seconds = (performance.now() - began) / 1000;
    world.options.log(`verify: ${seconds.toFixed(1)} s: ${stdout.trim()}`);
    return [
      boundRow({ area, name: `log-verify-${events}-events`, unit: "s", ours: seconds }, 120),
      ...(await answers(target, database, events)),
    ];
  } finally {
    target.stop();
    await database.drop();
  }
}

/** How long a checkpoint and a proof take in a large tree. */
async function grown(world: World, settings: object): Promise<Row[]> {
  const entries = world.options.quick ? GROWN / 20 : GROWN;
  const bundles = Math.floor(entries / 256);
  const database = await world.database();
  // 35 bytes each, as entries have; hashes of numbers stand for the commitments.
  await database.query(`
    INSERT INTO audit.log_entries (bundle, first_seq, last_seq, entries)
      SELECT bundle, bundle * 256 + 1, bundle * 256 + 256, bytes FROM generate_series(0, ${bundles} - 1) AS bundle,
        LATERAL (SELECT string_agg(sha256(int8send(bundle * 280 + i)), '') AS bytes FROM generate_series(1, 280) AS i) AS b`);
  await database.query(
    `UPDATE audit.log_state SET size = ${bundles * 256}, last_seq = ${bundles * 256}, settled = ${bundles * 256}`,
  );
  await database.query(`SELECT setval('audit.event_seq', ${bundles * 256})`);
  const target = await world.service(database, {}, { log: settings });
  try {
    await fill(database, NEWEST);
    await until(() => settled(database), 600_000, "the log to come to rest");
    return await answers(target, database, entries);
  } finally {
    target.stop();
    await database.drop();
  }
}

async function fill(database: TestDatabase, events: number): Promise<void> {
  await database.query(`
    WITH new AS (
      INSERT INTO audit.events (id, occurred_at, application, actor, action, resource, outcome, data)
        SELECT gen_random_uuid(), now() - i * interval '1 millisecond', 'application-' || i % 23, 'actor-' || (i::bigint * 7) % 10007,
               'action-' || i % 53, 'resource/' || i, 'success', jsonb_build_object('amount', 12.5, 'tags', jsonb_build_array('web'), 'i', i)
          FROM generate_series(1, ${events}) AS i RETURNING id, occurred_at, application)
    INSERT INTO audit.ids (id, occurred_at, bucket, application) SELECT id, occurred_at, 0, application FROM new`);
}

/** Milliseconds for a checkpoint and for a proof. */
async function answers(target: Target, database: TestDatabase, events: number): Promise<Row[]> {
  const ids = await database.query<{ id: string }>("SELECT id FROM audit.events ORDER BY id LIMIT 50");
  const time = async (paths: readonly string[]): Promise<number> => {
    const times: number[] = [];
    for (const path of paths) {
      const began = performance.now();
      const answer = await fetch(target.url + path, { headers: { authorization: `Bearer ${tokens.reader}` } });
      await answer.text();
      if (answer.status !== 200) throw new Error(`${path}: ${answer.status}`);
      times.push(performance.now() - began);
    }
    return median(times);
  };
  const row = async (what: string, paths: readonly string[]): Promise<Row> =>
    boundRow({ area, name: `log-${what}-at-${events}-events`, unit: "ms", ours: await time(paths) }, 10);
  return [
    await row("checkpoint", Array<string>(50).fill("/log/checkpoint")),
    await row("proof", ids.map(({ id }) => `/v1/events/${id}/proof`)), // prettier-ignore
  ];
}
