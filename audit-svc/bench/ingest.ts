import { type Row, boundRow, median, ratioRow, shownRow } from "./row.js";
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

/** What each contender reached, one figure a round, and our p99 in ms. */
interface Turns {
  readonly rates: Readonly<Record<"ours" | "plain" | "fastapi1" | "fastapi2" | "pgbench", number[]>>;
  readonly p99: number[];
}

/**
 * One event per request from so many clients, by each contender. Every one gets a turn in each round, so that a slow
 * phase of the machine affects all of them; the median of the rounds counts.
 */
async function takeTurns(world: World, clients: number): Promise<Turns> {
  const rounds = world.options.quick ? 1 : 3;
  const rates: Turns["rates"] = { ours: [], plain: [], fastapi1: [], fastapi2: [], pgbench: [] };
  const p99: number[] = [];
  const turn = async (name: keyof typeof rates, start: (database: TestDatabase) => Promise<Target>): Promise<void> => {
    const database = await world.database();
    const target = await start(database);
    try {
      const result = await world.load(target, 1, clients);
      rates[name].push(result.rate);
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
    rates.pgbench.push(commits);
    world.options.log(`pgbench: ${commits.toFixed(0)} commits/s`);
    await database.drop();
  }
  return { rates, p99 };
}

const PEERS = {
  plain: "same service, one INSERT per request",
  fastapi1: "FastAPI + asyncpg, 1 worker",
  fastapi2: "FastAPI + asyncpg, 2 workers",
  pgbench: "pgbench, one-row commits, 32 clients",
};

/** 64 clients. */
export async function single(world: World): Promise<Row[]> {
  const { rates, p99 } = await takeTurns(world, 64);
  const ours = median(rates.ours);
  const row = (name: string, peer: keyof typeof PEERS, atLeast: number): Row => {
    const measured = { area, name: `single-${name}`, unit: "events/s", ours };
    return ratioRow(measured, PEERS[peer], median(rates[peer]), atLeast);
  };
  return [
    row("grouping", "plain", 2.5),
    row("fastapi-1", "fastapi1", 7),
    row("fastapi-2", "fastapi2", 2),
    row("pgbench", "pgbench", 1.5),
    boundRow({ area, name: "single-p99", unit: "ms", ours: median(p99) }, 15),
  ];
}

/** Four times as many, against the same peers: whether the service holds its rate. */
export async function crowd(world: World): Promise<Row[]> {
  const { rates } = await takeTurns(world, 256);
  const measured = { area, name: "crowd", unit: "events/s", ours: median(rates.ours) };
  const peers = Object.entries(PEERS) as [keyof typeof PEERS, string][];
  return peers.map(([name, peer]) => shownRow(measured, peer, median(rates[name])));
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
