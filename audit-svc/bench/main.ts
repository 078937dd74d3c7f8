import { mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { parseArgs } from "node:util";
import { growth } from "./growth.js";
import { batches, single } from "./ingest.js";
import { generator } from "./load.js";
import { memory } from "./memory.js";
import type { Row } from "./rows.js";
import { type Options, World } from "./world.js";

const USAGE = `npm run bench -w audit-svc -- [--json FILE] [--quick] [--only ${"single|batches|growth|memory"}] [--rows N]
Exit code 1 when a goal is not met; with --quick goals are shown but do not count: its figures are too short to judge by.
`;

const benches: Record<string, (world: World) => Promise<Row[]>> = { single, batches, growth, memory };

/** Runs the service's benchmarks. @param only names of benchmarks; empty: all */
export async function runBenches(options: Options, only: readonly string[] = []): Promise<Row[]> {
  const rows: Row[] = [];
  for (const [name, bench] of Object.entries(benches)) {
    if (only.length > 0 && !only.includes(name)) continue;
    const world = await World.create(options);
    try {
      rows.push(...(await bench(world)));
    } finally {
      world.close();
    }
  }
  return rows;
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      json: { type: "string" },
      quick: { type: "boolean", default: false },
      only: { type: "string", multiple: true, default: [] },
      rows: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  const log = (line: string): void => void process.stderr.write(`${line}\n`);
  // No failure: the name may be that of another area's benchmark, and the front door asks every area.
  for (const name of values.only) if (!(name in benches)) log(`audit-svc has no benchmark "${name}"`);
  log(`load generator: ${generator}`);
  const rows = await runBenches(
    { quick: values.quick, rows: Number(values.rows ?? (values.quick ? 200_000 : 20_000_000)), log },
    values.only,
  );
  if (values.json !== undefined) {
    mkdirSync(dirname(values.json), { recursive: true });
    writeFileSync(values.json, `${JSON.stringify(rows, null, 2)}\n`);
  }
  console.table(rows.map(({ area: _, ...row }) => row));
  return values.quick || rows.every((row) => row.met) ? 0 : 1;
}

main().then(
  (code) => process.exit(code),
  (error: unknown) => {
    console.error(error);
    process.exit(1);
  },
);
