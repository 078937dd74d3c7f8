import { mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import Mocha from "mocha";

/** What a suite came to; written for `run.ts`, which adds the suites up. */
export interface Totals {
  passed: number;
  failed: number;
  /** Titles of what failed, each with its reason in short. */
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

const WIDTH = 140;

/**
 * A failure's reason in at most five short lines: a CI shows little of a long log's end, and there the totals stand.
 * The whole of it is in mocha's own report. A command's output is long, and says in a few of its lines why it failed.
 */
function inShort(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  const lines = [...new Set(text.split("\n").map((line) => line.trim().slice(0, WIDTH)))].filter((line) => line !== "");
  const [first = "", ...rest] = lines;
  const telling = rest.filter((line) => /error|fail|refused|denied|unable|cannot|no such|timed? ?out|!==/i.test(line));
  const shown = lines.length <= 5 ? rest : telling.length > 0 ? telling.slice(0, 4) : rest.slice(-4);
  return [first, ...shown].join("\n      ");
}

module.exports = TotalsReporter;
