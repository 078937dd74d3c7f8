import { type Row, boundRow, median, ratioRow } from "./row.js";
import { pause } from "../test/support/postgres.js";
import { tokens } from "../test/support/service.js";
import type { Target, World } from "./world.js";

const area = "audit-svc";

/**
 * Resident memory at full load: single events and batches of 100 in turn over 64 connections, while one reader exports.
 * Measures the kernel's high-water mark, and whether memory still grows.
 */
export async function memory(world: World): Promise<Row[]> {
  const { memorySeconds: seconds, log } = world.options;
  const database = await world.database();
  const target = await world.service(database);
  const samples: number[] = [];
  let running = true;
  const watching = (async () => {
    for (; running; await pause(500)) samples.push(target.memory().now);
  })();
  const reading = (async () => {
    while (running) await exportAll(target, () => running);
  })();
  const phase = Math.min(10, seconds / 4);
  let highest = NaN;
  try {
    for (const end = performance.now() + seconds * 1000; performance.now() < end;) {
      const one = await world.press(target, 1, phase);
      const hundred = await world.press(target, 100, phase);
      // Truncated because the disk is limited too. The order is that in which the service locks the tables: requests
      // that wrk aborted may still be being stored.
      await database.query("TRUNCATE audit.ids, audit.events");
      const rates = `${one.rate.toFixed(0)} and ${(hundred.rate * 100).toFixed(0)} events/s`;
      ({ highest } = target.memory());
      log(`memory: ${samples.at(-1)?.toFixed(0)} MB, highest ${highest.toFixed(0)}; ${rates}`);
    }
  } finally {
    running = false;
    await Promise.all([watching, reading]);
    target.stop();
    await database.drop();
  }
  const third = Math.max(1, Math.floor(samples.length / 3));
  const middle = median(samples.slice(third, 2 * third));
  const last = median(samples.slice(2 * third));
  return [
    boundRow({ area, name: "memory", unit: "MB", ours: highest }, 150),
    // The middle third's memory relative to the last third's: 1 is flat.
    ratioRow({ area, name: `memory-flat-${seconds}-s`, unit: "MB", ours: middle }, "its last third", last, 0.95),
  ];
}

async function exportAll(target: Target, on: () => boolean): Promise<void> {
  const answer = await fetch(`${target.url}/v1/events/export`, {
    headers: { authorization: `Bearer ${tokens.reader}` },
  });
  const reader = answer.body?.getReader();
  while (on() && (await reader?.read())?.done === false);
  await reader?.cancel();
}
