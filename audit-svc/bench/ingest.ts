import type { TestDatabase } from "../test/support/database.js";
import { type Row, boundRow, median, ratioRow } from "./rows.js";
import type { Target, World } from "./world.js";

/** A row as a client of PostgreSQL would insert it, into the same table with the same indexes, without the register of ids. */
export const ONE_ROW =
  "(gen_random_uuid(), now(), 'billing', 'anna@example.com', 'payment.create', 'payment/1', 'success', '{\"amount\": 12.5, \"tags\": [\"web\"]}')";
export const INSERT = "INSERT INTO audit.events (id, occurred_at, application, actor, action, resource, outcome, data)";

/**
 * One event per request against each peer. Every contender gets a turn in each round, so that a slow spell of the machine
 * hits them all; the median of the rounds counts.
 */
export async function single(world: World): Promise<Row[]> {
  const rounds = world.options.quick ? 1 : 3;
  const rates: Record<"ours" | "plain" | "fastapi1" | "fastapi2" | "pgbench", number[]> = {
    ours: [],
    plain: [],
    fastapi1: [],
    fastapi2: [],
    pgbench: [],
  };
  const p99: number[] = [];
  const turn = async (name: keyof typeof rates, start: (database: TestDatabase) => Promise<Target>): Promise<void> => {
    const database = await world.database();
    const target = await start(database);
    try {
      const result = await world.load(target);
      rates[name].push(result.rate);
      if (name === "ours") p99.push(result.p99);
      world.options.log(`${name}: ${result.rate.toFixed(0)} events/s, p99 ${result.p99.toFixed(1)} ms`);
    } finally {
      await target.stop();
      await database.drop();
    }
  };
  for (let round = 0; round < rounds; round++) {
    await turn("ours", (database) => world.service(database));
    await turn("plain", (database) => world.service(database, { groupEvents: 1, writers: 10 }));
    await turn("fastapi1", (database) => world.fastapi(database, 1));
    await turn("fastapi2", (database) => world.fastapi(database, 2));
    const database = await world.database();
    rates.pgbench.push(world.pgbench(database, 32, `${INSERT} VALUES ${ONE_ROW};\n`));
    world.options.log(`pgbench: ${rates.pgbench.at(-1)?.toFixed(0)} commits/s`);
    await database.drop();
  }
  const ours = median(rates.ours);
  return [
    ratioRow("single", "events/s", ours, "same service, one INSERT per request", median(rates.plain), 2.5),
    ratioRow("single", "events/s", ours, "FastAPI + asyncpg, 1 worker", median(rates.fastapi1), 7),
    ratioRow("single", "events/s", ours, "FastAPI + asyncpg, 2 workers", median(rates.fastapi2), 2),
    ratioRow("single", "events/s", ours, "pgbench, one-row commits, 32 clients", median(rates.pgbench), 1.5),
    boundRow("single-p99", "ms", median(p99), 15),
  ];
}

/** Batches of 100 against PostgreSQL's own multi-row INSERT into the same table. */
export async function batches(world: World): Promise<Row[]> {
  const rounds = world.options.quick ? 1 : 3;
  const ours: number[] = [];
  const peer: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const database = await world.database();
    const target = await world.service(database);
    try {
      ours.push((await world.load(target, 100, 16)).rate * 100);
    } finally {
      await target.stop();
    }
    peer.push(
      world.pgbench(database, 8, `${INSERT} VALUES ${Array.from({ length: 100 }, () => ONE_ROW).join(",\n")};\n`) * 100,
    );
    world.options.log(`batches: ${ours.at(-1)?.toFixed(0)} events/s, pgbench ${peer.at(-1)?.toFixed(0)}`);
    await database.drop();
  }
  return [ratioRow("batch-100", "events/s", median(ours), "pgbench, INSERT of 100 rows, 8 clients", median(peer), 0.5)];
}
