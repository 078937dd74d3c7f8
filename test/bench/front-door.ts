import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Row } from "./main";

const repeats = 3;

/**
 * What an operator waits for in a sandbox that is up. The peer is the same Pulumi CLI with a program that makes nothing
 * and a file for its state: what is above it is ours (language host, SDKs, plugins, state in PostgreSQL, Vault).
 * @throws Error when the sandbox is not up, or one of the commands fails
 */
export function frontDoor(root: string, only: readonly string[]): Promise<Row[]> {
  const wanted = (name: string): boolean => only.length === 0 || only.includes(name);
  const rows: Row[] = [];
  if (!["up", "no-op", "preview"].some(wanted)) return Promise.resolve(rows);
  console.error("=== front door");
  const env = environment(root);
  const empty = emptyProject(root, env);
  try {
    const flags = ["--stack", "empty", "--non-interactive"];
    const floor = {
      up: median(() => timed(["pulumi", "up", "--yes", "--skip-preview", ...flags], empty.env, empty.dir)),
      preview: median(() => timed(["pulumi", "preview", ...flags], empty.env, empty.dir)),
    };
    const row = (name: string, ours: number, peer: string, peerValue: number, limit: number): Row => ({
      area: "front door",
      name,
      unit: "s",
      ours: round(ours),
      peer,
      peerValue: round(peerValue),
      ratio: round(ours / peerValue),
      goal: `<= ${limit} s`,
      met: ours <= limit,
    });
    if (wanted("up")) {
      const ours = median(() => timed(["make", "up"], process.env, root));
      rows.push(row("up", ours, "pulumi up of an empty program", floor.up, 10));
    }
    if (wanted("no-op")) {
      const command = ["pulumi", "up", "--yes", "--skip-preview", "--non-interactive", "--expect-no-changes"];
      rows.push(row("no-op", median(() => timed(command, env, root)), "pulumi up of an empty program", floor.up, 4)); // prettier-ignore
    }
    if (wanted("preview")) {
      const command = ["pulumi", "preview", "--non-interactive", "--expect-no-changes"];
      rows.push(row("preview", median(() => timed(command, env, root)), "pulumi preview of an empty program", floor.preview, 4)); // prettier-ignore
    }
  } finally {
    rmSync(empty.dir, { recursive: true });
  }
  return Promise.resolve(rows);
}

function environment(root: string): NodeJS.ProcessEnv {
  const printed = spawnSync("make", ["-s", "env"], { cwd: root, encoding: "utf8" });
  if (printed.status !== 0) throw new Error(`the front door's benchmarks need the sandbox up: ${printed.stderr}`);
  const pairs = [...printed.stdout.matchAll(/^export ([A-Z_]+)='(.*)'$/gm)].map(([, name, value]) => [name, value]);
  return { ...process.env, ...(Object.fromEntries(pairs) as Record<string, string>) };
}

function emptyProject(root: string, env: NodeJS.ProcessEnv): { dir: string; env: NodeJS.ProcessEnv } {
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

/** Seconds that a command takes. @throws Error with its output when it fails */
function timed(command: readonly string[], env: NodeJS.ProcessEnv, cwd: string): number {
  const [file = "", ...args] = command;
  const started = performance.now();
  // stderr to a file of nobody: ssh's shared connection would keep a pipe open.
  const { status, stdout } = spawnSync(file, args, { cwd, env, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
  if (status !== 0) throw new Error(`${command.join(" ")} ended with ${String(status)}:\n${stdout}`);
  return (performance.now() - started) / 1000;
}

function median(measure: () => number): number {
  const values = Array.from({ length: repeats }, measure).sort((a, b) => a - b);
  return values[Math.floor(repeats / 2)] ?? Number.NaN;
}

const round = (value: number): number => Math.round(value * 100) / 100;
