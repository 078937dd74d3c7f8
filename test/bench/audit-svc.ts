import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import type { Area, Row } from "../../audit-svc/bench/row";

const root = resolve(__dirname, "../..");

/** The service's own benchmarks: a program in its package, run for each, that writes its rows as JSON. */
export const auditService: Area = {
  name: "audit-svc",
  benches: ["single", "crowd", "batches", "log", "growth", "memory"],
  *run(benches, quick) {
    const json = join(root, "build/bench/audit-svc.json");
    mkdirSync(dirname(json), { recursive: true });
    for (const name of benches) {
      rmSync(json, { force: true });
      const args = ["--json", json, ...(quick ? ["--quick"] : []), "--only", name];
      const { status } = spawnSync("npm", ["run", "--silent", "bench", "-w", "audit-svc", "--", ...args], {
        cwd: root,
        stdio: ["ignore", 2, 2],
      });
      if (status !== 0) throw new Error(`${name} ended with ${String(status)}; its lines above say why`);
      yield* JSON.parse(readFileSync(json, "utf8")) as Row[];
    }
  },
};
