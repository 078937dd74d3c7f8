import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { type Area, type Row, boundRow, median } from "../../audit-svc/bench/row";

const root = resolve(__dirname, "../..");

/**
 * How long an operator waits in a sandbox that is up. The peer is the same Pulumi CLI with an empty program and its
 * state in a file; the difference is our part (language host, SDKs, plugins, state in PostgreSQL, Vault).
 */
export const frontDoor: Area = {
  name: "front-door",
  benches: ["up", "no-op", "preview"],
  run: (benches, quick) => measure(benches, quick ? 1 : 3),
};

function* measure(benches: readonly string[], repeats: number): Generator<Row> {
  const env = environment();
  const empty = emptyProject(env);
  try {
    const flags = ["--stack", "empty", "--non-interactive"];
    const seconds = (command: readonly string[], of: NodeJS.ProcessEnv, cwd: string): number =>
      median(Array.from({ length: repeats }, () => timed(command, of, cwd)));
    const row = (name: string, ours: number, command: string, peer: number, limit: number): Row =>
      boundRow({ area: "front-door", name, unit: "s", ours }, limit, {
        name: `pulumi ${command} of an empty program`,
        value: peer,
      });
    const emptyUp = (): number => seconds(["pulumi", "up", "--yes", "--skip-preview", ...flags], empty.env, empty.dir);
    if (benches.includes("up")) yield row("up", seconds(["make", "up"], process.env, root), "up", emptyUp(), 10);
    if (benches.includes("no-op")) {
      const command = ["pulumi", "up", "--yes", "--skip-preview", "--non-interactive", "--expect-no-changes"];
      yield row("no-op", seconds(command, env, root), "up", emptyUp(), 4);
    }
    if (benches.includes("preview")) {
      const command = ["pulumi", "preview", "--non-interactive", "--expect-no-changes"];
      const floor = seconds(["pulumi", "preview", ...flags], empty.env, empty.dir);
      yield row("preview", seconds(command, env, root), "preview", floor, 4);
    }
  } finally {
    rmSync(empty.dir, { recursive: true });
  }
}

function environment(): NodeJS.ProcessEnv {
  const printed = spawnSync("make", ["-s", "env"], { cwd: root, encoding: "utf8" });
  if (printed.status !== 0) throw new Error(`the front door's benchmarks need the sandbox up: ${printed.stderr}`);
  const pairs = [...printed.stdout.matchAll(/^export ([A-Z_]+)='(.*)'$/gm)].map(([, name, value]) => [name, value]);
  return { ...process.env, ...(Object.fromEntries(pairs) as Record<string, string>) };
}

function emptyProject(env: NodeJS.ProcessEnv): { dir: string; env: NodeJS.ProcessEnv } {
  const dir = mkdtempSync(join(tmpdir(), "bench-"));
  mkdirSync(join(dir, "state"));
  symlinkSync(join(root, "node_modules"), join(dir, "node_modules"));
  writeFileSync(join(dir, "Pulumi.yaml"), "name: empty\nruntime: { name: nodejs, options: { typescript: false } }\nmain: index.js\n"); // prettier-ignore
  writeFileSync(join(dir, "package.json"), '{ "name": "empty", "main": "index.js" }\n');
  writeFileSync(join(dir, "index.js"), "");
  const own = {
    ...env,
    PULUMI_BACKEND_URL: `file://${join(dir, "state")}`,
    PULUMI_CONFIG_PASSPHRASE: "empty",
    PULUMI_OPTION_CONFIG_FILE: "",
    PULUMI_STACK: "empty",
  };
  timed(["pulumi", "stack", "init", "empty", "--non-interactive"], own, dir);
  return { dir, env: own };
}

/** Seconds that a command takes. @throws Error with its output if it fails */
function timed(command: readonly string[], env: NodeJS.ProcessEnv, cwd: string): number {
  const [file = "", ...args] = command;
  const started = performance.now();
  // stderr is ignored, because ssh's shared connection would keep a pipe open.
  const { status, stdout } = spawnSync(file, args, { cwd, env, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
  if (status !== 0) throw new Error(`${command.join(" ")} ended with ${String(status)}:\n${stdout}`);
  return (performance.now() - started) / 1000;
}
