import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { decide } from "./changed";
import { thorough } from "./depth";
import type { Totals } from "./reporter";
import { Screen, type Sheet } from "./screen";
import { QUICK, suites, type Suite } from "./suites";

/**
 * Runs the named suites, or all, and ends with one line `N passed, N failed` for all of them. `quick` stands for those
 * for daily use: they need no running sandbox and take a few minutes. It fails if a test failed, if a suite ended
 * without totals, or if a suite ran no test.
 *
 * Most suites use one core, so two run side by side. Those that need no sandbox begin while it comes up. The checks by
 * tools wait for nothing and measure nothing: beside the scenarios they take, at the lowest priority, what the others
 * leave of the cores.
 */

const root = resolve(__dirname, "../..");
const totalsDir = join(root, "build/test");

/** Rows of the table of the slowest tests. */
const SLOWEST = 20;

const screen = new Screen();
const standing: { up?: Promise<boolean>; cluster?: Promise<boolean> } = {};
const sum: Totals = { passed: 0, failed: 0, failures: [], skipped: [], durations: [] };
const table: string[] = [];
/** Totals of a suite that could not report its own. */
const failure: Totals = { passed: 0, failed: 1, failures: [], skipped: [], durations: [] };

async function main(): Promise<void> {
  const wanted = process.argv.slice(2).flatMap((name) => (name === "quick" ? QUICK : [name]));
  const unknown = wanted.find((name) => !Object.hasOwn(suites, name));
  if (unknown !== undefined) {
    console.error(`Error: there is no suite ${unknown}. The suites are: quick, ${Object.keys(suites).join(", ")}.`);
    process.exit(1);
  }
  const chosen = Object.entries(suites).filter(([name, suite]) =>
    wanted.length === 0 ? runsUnnamed(name, suite) : wanted.includes(name),
  );
  const alone = chosen.filter(([, suite]) => suite.alone);
  const aside = alone.length > 0 ? chosen.filter(([, suite]) => suite.single) : [];
  const waiting = chosen.filter((entry) => !alone.includes(entry) && !aside.includes(entry));
  const take = (fits: (suite: Suite) => boolean): (typeof chosen)[number] | undefined => {
    const at = waiting.findIndex(([, suite]) => fits(suite));
    return at < 0 ? undefined : waiting.splice(at, 1)[0];
  };
  const plain = (suite: Suite) => !suite.sandbox;
  const inSandbox = (suite: Suite) => !plain(suite);
  const two = [runAll(() => take(inSandbox) ?? take(plain)), runAll(() => take(plain) ?? take(inSandbox))];
  const besides = runAll(() => aside.shift(), ["nice", "-n", "19"]);
  await Promise.all(two);
  await runAll(() => alone.shift());
  await besides;
  showSlowest();
  console.log(`\n${table.join("\n")}`);
  // Repeated at the end, because a CI shows only the end of a long log. The first failure often causes the others.
  const [first] = sum.failures;
  if (first !== undefined) {
    console.log(`Failed:\n${sum.failures.map(({ title }) => `  - ${title}`).join("\n")}`);
    console.log(`The first of them:\n${first.reason.map((line) => `    ${line}`).join("\n")}`);
  }
  if (sum.skipped.length > 0) console.log(`Skipped:\n${sum.skipped.map((title) => `  - ${title}`).join("\n")}`);
  console.log(`${sum.passed} passed, ${sum.failed} failed`);
  process.exit(sum.failed === 0 && sum.passed > 0 ? 0 : 1);
}

/** Whether a suite that nobody has named runs; of a costly one it also says why. */
function runsUnnamed(name: string, { part, dependsOn }: Suite): boolean {
  if (dependsOn === undefined) return part !== true;
  const { runs, why } = thorough ? { runs: true, why: "THOROUGH=1" } : decide(dependsOn, process.env, root);
  console.log(`${name}: ${runs ? "runs" : "is not run"}, ${why}`);
  return runs;
}

/** Runs one suite after another, until there is no next, each by this command if there is one. */
async function runAll(next: () => [string, Suite] | undefined, by: readonly string[] = []): Promise<void> {
  for (let found = next(); found !== undefined; found = next()) {
    const [name, suite] = found;
    const needed = suite.cluster ? "cluster" : suite.sandbox ? "up" : undefined;
    if (needed !== undefined && !(await (standing[needed] ??= bringUp(needed))))
      count(name, failure, 0, "not run: the sandbox did not come up");
    else await runSuite(name, { ...suite, command: [...by, ...suite.command] });
  }
}

function showSlowest(): void {
  const slowest = sum.durations.sort((a, b) => b.seconds - a.seconds).slice(0, SLOWEST);
  if (slowest.length === 0) return;
  const rows = slowest.map(({ title, seconds }) => `${seconds.toFixed(1).padStart(7)} s  ${title}`);
  console.log(`\nThe slowest tests and hooks:\n${rows.join("\n")}`);
}

/** The suites use the running sandbox; a developer's own is not replaced, and stays up afterwards. */
async function bringUp(target: "up" | "cluster"): Promise<boolean> {
  const command = [process.execPath, "--import", "tsx", "sandbox/src/cli.ts", target];
  const { code } = await run("sandbox", command, {}, `sandbox: make ${target}`);
  return code === 0;
}

async function runSuite(name: string, suite: Suite): Promise<void> {
  const path = join(totalsDir, `${name}.json`);
  mkdirSync(totalsDir, { recursive: true });
  rmSync(path, { force: true });
  const started = Date.now();
  const { code, shown } = await run(name, suite.command, {
    cwd: suite.cwd,
    env: { ...suite.env, TEST_TOTALS: path },
  });
  const seconds = (Date.now() - started) / 1000;
  if (suite.single) {
    count(name, code === 0 ? { ...failure, passed: 1, failed: 0 } : failure, seconds);
    return;
  }
  const totals = existsSync(path) ? (JSON.parse(readFileSync(path, "utf8")) as Totals) : undefined;
  if (totals === undefined) count(name, failure, seconds, `ended with ${shown} before its end`);
  else if (totals.passed + totals.failed === 0) count(name, { ...totals, failed: 1 }, seconds, "ran nothing");
  else if (code !== 0 && totals.failed === 0) count(name, { ...totals, failed: 1 }, seconds, `ended with ${shown}`);
  else count(name, totals, seconds);
}

function count(name: string, totals: Totals, seconds: number, remark = ""): void {
  sum.passed += totals.passed;
  sum.failed += totals.failed;
  sum.failures.push(...totals.failures.map(({ title, reason }) => ({ title: `${name}: ${title}`, reason })));
  sum.durations.push(...totals.durations.map(({ title, seconds }) => ({ title: `${name}: ${title}`, seconds })));
  sum.skipped.push(...totals.skipped.map((title) => `${name}: ${title}`));
  const cells = [name.padEnd(12), `${totals.passed} passed`.padStart(12), `${totals.failed} failed`.padStart(12)];
  table.push(`${cells.join("")}${`${seconds.toFixed(1)} s`.padStart(10)}${remark && `  ${remark}`}`);
}

interface RunOptions {
  cwd?: string;
  env?: NodeJS.ProcessEnv;
}

/** Runs a command and shows its output below a title, with a progress line when it prints nothing for 20 seconds. */
function run(
  name: string,
  command: readonly string[],
  options: RunOptions,
  title = name,
): Promise<{ code: number; shown: string }> {
  const sheet = screen.sheet();
  sheet.print(`\n=== ${title}\n`);
  return runOn(sheet, name, command, options).finally(() => {
    sheet.end();
  });
}

function runOn(
  sheet: Sheet,
  name: string,
  command: readonly string[],
  options: RunOptions,
): Promise<{ code: number; shown: string }> {
  const [file = "", ...args] = command;
  const env: NodeJS.ProcessEnv = { ...process.env, ...options.env };
  // Drop what a shell has from `make env`: the suites choose their own target.
  for (const key of Object.keys(env))
    if (/^(PULUMI_(?!BIN)|VAULT_|PG|GRAFANA_|DOCKER_HOST$|DATABASE_URL$)/.test(key)) delete env[key];
  const started = Date.now();
  let last = started;
  const child = spawn(file, args, { cwd: options.cwd ?? root, env, stdio: ["ignore", "pipe", "pipe"] });
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (chunk: string) => {
      last = Date.now();
      sheet.print(chunk);
    });
  }
  const beat = setInterval(() => {
    if (Date.now() - last < 18_000) return;
    last = Date.now();
    sheet.print(`    … ${name}: still running, ${Math.round((last - started) / 1000)} s\n`);
  }, 2_000);
  return new Promise((done) => {
    child.on("error", (error) => {
      clearInterval(beat);
      done({ code: 1, shown: error.message });
    });
    child.on("close", (code, signal) => {
      clearInterval(beat);
      done({ code: code ?? 1, shown: signal ?? `exit code ${String(code)}` });
    });
  });
}

void main();
