import type { Style } from "../output";
import type { Level } from "./check";
import type { Result } from "./examine";

const MARKS = { ok: "ok", warning: "warning", failure: "FAILURE", skipped: "-" } as const satisfies Record<
  Level,
  string
>;

/** The answer as people read it: one line a check, and below what is wrong its cure. */
export function reportText(results: readonly Result[], style: Style, all: boolean): string {
  const paint = { ok: style.green, warning: style.yellow, failure: style.red, skipped: style.dim };
  const width = Math.max(...results.map(({ title }) => title.length));
  const shown = all ? results : results.filter(({ level }) => level !== "skipped");
  const subjects = [...new Set(shown.map(({ subject }) => subject))];
  const lines = subjects.flatMap((subject) => [
    style.bold(subject),
    ...shown
      .filter((result) => result.subject === subject)
      .flatMap(({ level, title, found, cure }) => [
        `  ${paint[level](MARKS[level].padEnd(7))}  ${title.padEnd(width)}  ${level === "skipped" ? style.dim(found) : found}`,
        ...(cure === undefined ? [] : [`${" ".repeat(11 + width)}  cure: ${cure}`]),
      ]),
  ]);
  return [...lines, "", summary(results, all)].join("\n");
}

function summary(results: readonly Result[], all: boolean): string {
  const count = (level: Level): number => results.filter((result) => result.level === level).length;
  const counted = (level: Level): string => `${count(level)} ${level}${count(level) === 1 ? "" : "s"}`;
  const parts = [`${count("ok")} ok`, counted("warning"), counted("failure")];
  const skipped = count("skipped");
  return `${parts.join(", ")}, ${skipped} not looked at${skipped > 0 && !all ? " (--all says why)" : ""}.`;
}
