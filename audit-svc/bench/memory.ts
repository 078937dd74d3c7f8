import { type Row, boundRow, median, ratioRow } from "./rows.js";
import type { World } from "./world.js";

/** Resident memory at full load: its highest, and whether it still grows. */
export async function memory(world: World): Promise<Row[]> {
  const seconds = world.options.quick ? 20 : 600;
  const database = await world.database();
  const target = await world.service(database);
  const samples: number[] = [];
  const sample = async (): Promise<void> => {
    const text = await (await fetch(`${target.url}/metrics`)).text();
    samples.push(Number(/^process_resident_memory_bytes (\d+)/m.exec(text)?.[1]) / 1e6);
  };
  try {
    const end = Date.now() + seconds * 1000;
    while (Date.now() < end) {
      await Promise.all([world.load(target), sample()]);
      await sample();
    }
  } finally {
    await target.stop();
    await database.drop();
  }
  const third = Math.max(1, Math.floor(samples.length / 3));
  const middle = median(samples.slice(third, 2 * third));
  const last = median(samples.slice(2 * third));
  world.options.log(
    `memory: highest ${Math.max(...samples).toFixed(0)} MB, middle third ${middle.toFixed(0)}, last third ${last.toFixed(0)}`,
  );
  return [
    boundRow("memory", "MB", Math.max(...samples), 150),
    // Written as a peer to stay above: how much of the last third's memory was there before.
    ratioRow(`memory-flat-${seconds}-s`, "MB", middle, "the last third of the run", last, 0.9),
  ];
}
