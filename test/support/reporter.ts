import { mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import Mocha from "mocha";

/** Totals of a suite, for `run.ts`, which adds them up. */
export interface Totals {
  passed: number;
  failed: number;
  failures: Failure[];
  /** Titles of skipped tests: they are not counted, but named at the end. */
  skipped: string[];
  /** Duration of each test and hook, in seconds, for the table of the slowest. */
  durations: Duration[];
}

export interface Duration {
  title: string;
  seconds: number;
}

export interface Failure {
  title: string;
  /** Why, in a few lines. */
  reason: string[];
}

/**
 * Mocha's spec output. It also writes the totals as JSON to the file that TEST_TOTALS names and, beside it, the results
 * as JUnit XML for GitLab.
 */
class TotalsReporter extends Mocha.reporters.Spec {
  #xml: Mocha.reporters.XUnit | undefined;

  constructor(runner: Mocha.Runner, options: Mocha.MochaOptions) {
    super(runner, options);
    const skipped: string[] = [];
    const failures: Failure[] = [];
    const durations: Duration[] = [];
    // runner.stats.failures does not suffice: a failing hook is one failure, however many tests it skips.
    runner.on(Mocha.Runner.constants.EVENT_TEST_FAIL, (test: Mocha.Test, error: unknown) =>
      failures.push({ title: test.fullTitle(), reason: inShort(error) }),
    );
    runner.on(Mocha.Runner.constants.EVENT_TEST_PENDING, (test: Mocha.Test) => skipped.push(test.fullTitle()));
    runner.on(Mocha.Runner.constants.EVENT_TEST_END, (test: Mocha.Test) =>
      durations.push({ title: test.fullTitle(), seconds: (test.duration ?? 0) / 1000 }),
    );
    // Deploys often happen in hooks, which no test's duration includes.
    runner.on(Mocha.Runner.constants.EVENT_HOOK_END, (hook: Mocha.Hook) =>
      durations.push({ title: hook.fullTitle(), seconds: (hook.duration ?? 0) / 1000 }),
    );
    const path = process.env.TEST_TOTALS;
    if (path === undefined) return;
    const output = path.replace(/\.json$/, ".xml");
    this.#xml = new Mocha.reporters.XUnit(runner, { ...options, reporterOptions: { output } });
    runner.once(Mocha.Runner.constants.EVENT_RUN_END, () => {
      const totals: Totals = {
        passed: runner.stats?.passes ?? 0,
        failed: failures.length,
        failures,
        skipped,
        durations,
      };
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, JSON.stringify(totals));
    });
  }

  /** Mocha waits for it, so that the XML is whole. */
  override done(failures: number, ended: (failures: number) => void): void {
    if (this.#xml === undefined) ended(failures);
    else this.#xml.done(failures, ended);
  }
}

/**
 * Characters to keep of a line's beginning, where a program says what it does, and of its end, where a tool says what
 * is wrong.
 */
const BEGINNING = 90;
const END = 160;

/**
 * A failure's reason in short; the full text is in mocha's report. For a command's long output these are the few
 * relevant lines.
 */
function inShort(error: unknown): string[] {
  const text = error instanceof Error ? error.message : String(error);
  const lines = [...new Set(text.split("\n").map((line) => line.trim()))].filter((line) => line !== "");
  const [first = "", ...rest] = lines;
  const telling = rest.filter((line) => /error|fail|refused|denied|unable|cannot|no such|timed? ?out|!==/i.test(line));
  const shown = lines.length <= 6 ? rest : telling.length > 0 ? telling.slice(0, 5) : rest.slice(-5);
  return [first, ...shown].map((line) =>
    line.length <= BEGINNING + END ? line : `${line.slice(0, BEGINNING)} … ${line.slice(-END)}`,
  );
}

module.exports = TotalsReporter;
