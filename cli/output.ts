import { mask } from "../ci/lib/secrets";
import { harmless } from "./terminal";

/** Where a command writes; tests give their own. */
export interface Streams {
  /** Answers. */
  readonly out: (text: string) => void;
  /** Everything else: progress, warnings, errors. */
  readonly err: (text: string) => void;
  /** Whether `out` is a terminal. */
  readonly terminal: boolean;
  /** Its width in characters; default 100. */
  readonly columns?: number;
  /** Its height in lines; default 40. */
  readonly rows?: number;
}

type Paint = (text: string) => string;

/** Colours; without a terminal, or with NO_COLOR (https://no-color.org), text unchanged. */
export interface Style {
  readonly bold: Paint;
  readonly dim: Paint;
  readonly red: Paint;
  readonly green: Paint;
  readonly yellow: Paint;
}

const CODES = { bold: [1, 22], dim: [2, 22], red: [31, 39], green: [32, 39], yellow: [33, 39] } as const;

export function styleFor(coloured: boolean): Style {
  const paint =
    ([on, off]: readonly [number, number]): Paint =>
    (text) =>
      coloured ? `\u001b[${on}m${text}\u001b[${off}m` : text;
  return Object.fromEntries(Object.entries(CODES).map(([name, codes]) => [name, paint(codes)])) as unknown as Style;
}

const shown = (text: string): string => harmless(mask(text.replaceAll("\r\n", "\n")));

/**
 * A command's answers, for people or with `--json` for programs. Nothing else of a command writes to the terminal.
 * Concealed values (`conceal` of ci/lib/secrets.ts) are masked in all of it, and a terminal obeys none of it but colours.
 */
export class Output {
  readonly style: Style;

  constructor(
    private readonly streams: Streams,
    readonly json: boolean,
    env: Readonly<Record<string, string | undefined>>,
  ) {
    this.style = styleFor(streams.terminal && !json && !env.NO_COLOR && env.TERM !== "dumb");
  }

  /** Whether answers go to a terminal as text, so that a screen may be redrawn. */
  get live(): boolean {
    return this.streams.terminal && !this.json;
  }

  get columns(): number {
    return this.streams.columns ?? 100;
  }

  get rows(): number {
    return this.streams.rows ?? 40;
  }

  /**
   * The answer of a command, or one item of an answer that goes on, as `logs -f` gives it: with `--json` the value on
   * one line, otherwise the text.
   */
  answer(value: unknown, text: string): void {
    this.streams.out(`${shown(this.json ? JSON.stringify(value) : text)}\n`);
  }

  /** The text as it is, without a line break, for people alone: what redraws a screen. Give it {@link harmless} texts. */
  draw(text: string): void {
    if (!this.json) this.streams.out(mask(text));
  }

  /** What is not part of the answer: what is being done, what to do next. On stderr. */
  note(text: string): void {
    this.streams.err(`${shown(text)}\n`);
  }
}
