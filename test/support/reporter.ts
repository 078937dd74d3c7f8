import { mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import Mocha from "mocha";

/** What a suite came to; written for `run.ts`, which adds the suites up. */
export interface Totals {
  passed: number;
  failed: number;
  /** Titles of what failed, each with its message: the first line, and the last lines of a long one. */
  failures: string[];
  /** Titles of tests that did not run: they count as nothing, and are named at the end. */
  skipped: string[];
}

/** Mocha's spec output, and the totals as JSON in the file that TEST_TOTALS names. */
class TotalsReporter extends Mocha.reporters.Spec {
  constructor(runner: Mocha.Runner, options: Mocha.MochaOptions) {
    super(runner, options);
    const skipped: string[] = [];
    const failures: string[] = [];
    // Not runner.stats.failures alone: a failing hook is one failure, whatever it kept from running.
    runner.on(Mocha.Runner.constants.EVENT_TEST_FAIL, (test: Mocha.Test, error: unknown) =>
      failures.push(`${test.fullTitle()}: ${inShort(error)}`),
    );
    runner.on(Mocha.Runner.constants.EVENT_TEST_PENDING, (test: Mocha.Test) => skipped.push(test.fullTitle()));
    runner.once(Mocha.Runner.constants.EVENT_RUN_END, () => {
      const path = process.env.TEST_TOTALS;
      if (path === undefined) return;
      const totals: Totals = { passed: runner.stats?.passes ?? 0, failed: failures.length, failures, skipped };
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, JSON.stringify(totals));
    });
  }
}

/** A command's output says at its end why it failed. A CI shows a long log's end only: it must stand in the totals. */
function inShort(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  const shown = lines.length <= 16 ? lines : [...lines.slice(0, 1), "…", ...lines.slice(-14)];
  return shown.map((line) => line.slice(0, 300)).join("\n      ");
}

module.exports = TotalsReporter;
