import { mkdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { auditService } from "./audit-svc";
import { cluster } from "./cluster";
import { edge } from "./edge";
import { frontDoor } from "./front-door";
import { releases } from "./releases";
import type { Area, Row } from "../../audit-svc/bench/row";

const areas: readonly Area[] = [auditService, frontDoor, releases, edge, cluster];
const build = resolve(__dirname, "../../build");

/**
 * Runs the benchmarks, each against its peers in one run, prints a table, and writes all rows to build/bench.json.
 * ONLY=name[,name] runs some: an area, or benches of it. QUICK=1 runs briefly and does not fail for a missed goal. The
 * exit code is non-zero if a goal is missed, an area could not be measured, or a name is unknown.
 */
async function main(): Promise<void> {
  const only = (process.env.ONLY ?? "").split(/[\s,]+/).filter((name) => name !== "");
  const quick = process.env.QUICK === "1";
  const unknown = only.filter((name) => !areas.some((area) => area.name === name || area.benches.includes(name)));
  if (unknown.length > 0) {
    const known = areas.map((area) => `${area.name} (${area.benches.join(", ")})`).join("; ");
    console.error(`Error: there is no benchmark ${unknown.join(", ")}. ONLY takes an area or benches of it: ${known}.`);
    process.exit(1);
  }
  const rows: Row[] = [];
  let broken = false;
  mkdirSync(build, { recursive: true });
  for (const area of areas) {
    const benches = area.benches.filter(
      (name) => (only.length === 0 && !area.named) || only.includes(name) || only.includes(area.name),
    );
    if (benches.length === 0) continue;
    console.error(`=== ${area.name}: ${benches.join(", ")}`);
    try {
      for await (const row of area.run(benches, quick)) rows.push(row);
    } catch (error) {
      console.error(`Error: ${area.name}: ${(error as Error).message}`);
      broken = true;
    }
    writeFileSync(join(build, "bench.json"), `${JSON.stringify(rows, undefined, 2)}\n`);
  }
  console.table(rows);
  process.exit(!broken && (quick || rows.every((row) => row.met)) ? 0 : 1);
}

void main();
