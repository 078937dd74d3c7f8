import { messageOf } from "../errors";
import type { Output } from "../output";
import { stamp } from "../time";
import { whyNoAnswer } from "../../lib/unknown-authority";
import type { Asked } from "./asked";
import { alerts, configuration, ends, senders, targets, traffic } from "./measured";
import type { AnyPart, Level, Line } from "./part";
import { containers, drift, release } from "./running";
import { service } from "./service";
import { vault } from "./vault";

/** In the order of the screen. */
export const PARTS: readonly AnyPart[] = [
  ...[release, service, containers, drift, configuration, vault, ends],
  ...[traffic, senders, targets, alerts],
];

/** Milliseconds after which a part counts as failed. The slowest, ssh to a machine that is away, gives up before. */
const PATIENCE = 15_000;

/** What one part found, or why it could not look. */
export interface Seen {
  readonly part: AnyPart;
  readonly value?: unknown;
  readonly error?: string;
}

/** Looks at every part at the same time. */
export function lookAt(asked: Asked, parts: readonly AnyPart[] = PARTS, patience = PATIENCE): Promise<Seen[]> {
  return Promise.all(
    parts.map(async (part): Promise<Seen> => {
      try {
        return { part, value: await within(patience, part.look(asked)) };
      } catch (error) {
        const cause = error instanceof Error && error.cause !== undefined ? whyNoAnswer(error) : messageOf(error);
        return { part, error: cause.trim().replace(/\s*\n\s*/g, "; ") };
      }
    }),
  );
}

async function within<T>(patience: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, fail) => {
    timer = setTimeout(() => fail(new Error(`no answer within ${patience / 1000} s`)), patience);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

export interface Screen {
  /** For `--json`. */
  readonly value: object;
  readonly text: string;
  /** The worst of its lines. */
  readonly level: Level;
}

const MARKS = { ok: "✔", warning: "!", bad: "✘" } as const;

export function drawScreen(seen: readonly Seen[], stack: string, now: Date, style: Output["style"]): Screen {
  const paint = { ok: style.green, warning: style.yellow, bad: style.red };
  const all = seen.map(({ part, value, error }) => ({
    ...{ part, value, error },
    lines: error === undefined ? part.lines(value, now) : [{ level: "bad", text: `cannot look: ${error}` } as const],
  }));
  const width = Math.max(...PARTS.map(({ title }) => title.length));
  const rows = all.flatMap(({ part, lines }) =>
    lines.map(
      ({ level, text }, index) =>
        `${style.bold((index === 0 ? part.title : "").padEnd(width))}  ${paint[level](MARKS[level])} ${text}`,
    ),
  );
  const level = worst(all.flatMap(({ lines }) => lines));
  const verdict = { ok: "all well", warning: "look at the warnings", bad: "something is wrong" }[level];
  const title = `${style.bold(`stack ${stack}`)}  ${stamp(now)} UTC  ${paint[level](verdict)}`;
  const parts = all.map(({ part, value, error, lines }) => [
    part.title,
    { level: worst(lines), ...(error === undefined ? (value as object) : { error }) },
  ]);
  return {
    ...{ level, text: [title, "", ...rows].join("\n") },
    value: { stack, at: now.toISOString(), level, ...(Object.fromEntries(parts) as object) },
  };
}

const worst = (lines: readonly Line[]): Level =>
  (["bad", "warning"] as const).find((level) => lines.some((line) => line.level === level)) ?? "ok";
