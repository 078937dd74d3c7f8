import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { frontDoor } from "./front-door";

/** One benchmark's result, in the shape that every area writes. */
export interface Row {
  area: string;
  name: string;
  unit: string;
  ours: number;
  peer: string;
  peerValue: number;
  ratio: number;
  goal: string;
  met: boolean;
}

const root = resolve(__dirname, "../..");
const dir = join(root, "build/bench");

/** Areas with a benchmark program of their own; each writes its rows as JSON. Without ONLY all of their benchmarks run. */
const areas: Record<string, (only: readonly string[], json: string) => string[]> = {
  "audit-svc": (only, json) => [
    ...["run", "--silent", "bench", "-w", "audit-svc", "--", "--json", json],
    ...only.flatMap((name) => ["--only", name]),
  ],
};

/**
 * Runs the benchmarks, each against its peers in one run, and writes all rows to build/bench.json.
 * ONLY=name runs one: a name of an area's, or `up`, `no-op`, `preview` of the front door's. Ends non-zero when a goal is
 * missed, or when there is no benchmark of that name.
 */
async function main(): Promise<void> {
  const only = (process.env.ONLY ?? "").split(/[\s,]+/).filter((name) => name !== "");
  mkdirSync(dir, { recursive: true });
  const rows: Row[] = [];
  let broken = false;
  for (const [area, command] of Object.entries(areas)) {
    const json = join(dir, `${area}.json`);
    rmSync(json, { force: true });
    console.error(`=== ${area}`);
    const { status } = spawnSync("npm", command(only, json), { cwd: root, stdio: ["ignore", 2, 2] });
    if (existsSync(json)) rows.push(...(JSON.parse(readFileSync(json, "utf8")) as Row[]));
    else broken ||= status !== 0;
  }
  rows.push(...(await frontDoor(root, only)));
  writeFileSync(join(root, "build/bench.json"), `${JSON.stringify(rows, undefined, 2)}\n`);
  console.table(rows);
  if (rows.length === 0) console.error(`Error: there is no benchmark ${only.join(", ")}.`);
  process.exit(rows.length > 0 && !broken && rows.every((row) => row.met) ? 0 : 1);
}

void main();
