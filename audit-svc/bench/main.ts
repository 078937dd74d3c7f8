import { mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { parseArgs } from "node:util";
import type { Row } from "./row.js";
import { growth } from "./growth.js";
import { batches, crowd, single } from "./ingest.js";
import { log } from "./log.js";
import { memory } from "./memory.js";
import { World } from "./world.js";

const benches: Record<string, (world: World) => Promise<Row[]>> = { single, crowd, batches, log, growth, memory };

const USAGE = `npm run bench -w audit-svc -- [--json FILE] [--quick] [--only NAME]… [--rows N] [--memory-seconds N]
Names: ${Object.keys(benches).join(", ")}. --quick: 200,000 rows instead of 20,000,000, 20 s of memory instead of 600, one
round instead of three; its figures are too short to judge by. Needs Docker.
`;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      json: { type: "string" },
      quick: { type: "boolean", default: false },
      only: { type: "string", multiple: true, default: [] },
      rows: { type: "string" },
      "memory-seconds": { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return void process.stdout.write(USAGE);
  const unknown = values.only.find((name) => !(name in benches));
  if (unknown !== undefined)
    throw new Error(`there is no benchmark "${unknown}"; names: ${Object.keys(benches).join(", ")}`);
  const { quick } = values;
  const options = {
    quick,
    rows: Number(values.rows ?? (quick ? 200_000 : 20_000_000)),
    memorySeconds: Number(values["memory-seconds"] ?? (quick ? 20 : 600)),
    log: (line: string): void => void process.stderr.write(`${line}\n`),
  };
  const rows: Row[] = [];
  for (const [name, bench] of Object.entries(benches)) {
    if (values.only.length > 0 && !values.only.includes(name)) continue;
    const world = await World.create(options);
    try {
      rows.push(...(await bench(world)));
    } finally {
      world.close();
    }
  }
  if (values.json !== undefined) {
    mkdirSync(dirname(values.json), { recursive: true });
    writeFileSync(values.json, `${JSON.stringify(rows, null, 2)}\n`);
  }
  console.table(rows.map(({ area: _, ...row }) => row));
}

main().then(
  () => process.exit(0),
  (error: unknown) => {
    console.error(error);
    process.exit(1);
  },
);
