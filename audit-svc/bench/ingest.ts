import { type Row, boundRow, median, ratioRow } from "./row.js";
import type { TestDatabase } from "../test/support/database.js";
import { type Target, type World, various } from "./world.js";

const area = "audit-svc";

/** Rows as a client of PostgreSQL would insert them, into the same table with the same indexes, without the register of ids. */
function insertOf(rows: number): string {
  const row = (i: number): string => {
    const fields = Object.values(various(i)).map((text) => `'${String(text)}'`);
    return `(gen_random_uuid(), now(), ${fields.join(", ")}, '{"amount": 12.5, "tags": ["web"]}')`;
  };
  const columns = `id, occurred_at, ${Object.keys(various(0)).join(", ")}, data`;
  return `INSERT INTO audit.events (${columns}) VALUES ${Array.from({ length: rows }, (_, i) => row(i)).join(",\n")};\n`;
}

/**
 * One event per request against each peer. Every contender gets a turn in each round, so that a slow phase of the
 * machine affects all of them; the median of the rounds counts.
 */
export async function single(world: World): Promise<Row[]> {
  const rounds = world.options.quick ? 1 : 3;
  const rates = { ours: [], plain: [], fastapi1: [], fastapi2: [], pgbench: [] } as Record<string, number[]>;
  const p99: number[] = [];
  const turn = async (name: string, start: (database: TestDatabase) => Promise<Target>): Promise<void> => {
    const database = await world.database();
    const target = await start(database);
    try {
      const result = await world.load(target);
      rates[name]?.push(result.rate);
      if (name === "ours") p99.push(result.p99);
      const { highest } = target.memory();
      world.options.log(`${name}: ${result.rate.toFixed(0)} events/s, p99 ${result.p99.toFixed(1)} ms, ${highest.toFixed(0)} MB`); // prettier-ignore
    } finally {
      target.stop();
      await database.drop();
    }
  };
  for (let round = 0; round < rounds; round++) {
    await turn("ours", (database) => world.service(database));
    await turn("plain", (database) => world.service(database, { groupEvents: 1, writers: 10 }));
    await turn("fastapi1", (database) => world.fastapi(database, 1));
    await turn("fastapi2", (database) => world.fastapi(database, 2));
    const database = await world.database();
    const commits = world.pgbench(database, 32, insertOf(1));
    rates.pgbench?.push(commits);
    world.options.log(`pgbench: ${commits.toFixed(0)} commits/s`);
    await database.drop();
  }
  const middle = (name: string): number => median(rates[name] ?? []);
  const row = (name: string, peer: string, value: number, atLeast: number): Row =>
    ratioRow({ area, name: `single-${name}`, unit: "events/s", ours: middle("ours") }, peer, value, atLeast);
  return [
    row("grouping", "same service, one INSERT per request", middle("plain"), 2.5),
    row("fastapi-1", "FastAPI + asyncpg, 1 worker", middle("fastapi1"), 7),
    row("fastapi-2", "FastAPI + asyncpg, 2 workers", middle("fastapi2"), 2),
    row("pgbench", "pgbench, one-row commits, 32 clients", middle("pgbench"), 1.5),
    boundRow({ area, name: "single-p99", unit: "ms", ours: median(p99) }, 15),
  ];
}

/** Batches of 100 over 64 connections against PostgreSQL's own multi-row INSERT into the same table. */
export async function batches(world: World): Promise<Row[]> {
  const rounds = world.options.quick ? 1 : 3;
  const ours: number[] = [];
  const peer: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const database = await world.database();
    const target = await world.service(database);
    try {
      const { rate, p99 } = await world.load(target, 100);
      ours.push(rate * 100);
      peer.push(world.pgbench(database, 8, insertOf(100)) * 100);
      world.options.log(`batches: ${ours.at(-1)?.toFixed(0)} events/s, p99 ${p99.toFixed(0)} ms, ${target.memory().highest.toFixed(0)} MB; pgbench ${peer.at(-1)?.toFixed(0)}`); // prettier-ignore
    } finally {
      target.stop();
      await database.drop();
    }
  }
  const measured = { area, name: "batch-100", unit: "events/s", ours: median(ours) };
  return [ratioRow(measured, "pgbench, INSERT of 100 rows, 8 clients", median(peer), 0.5)];
}
