import type { Asked } from "./asked";

/** `bad` makes the command end with 1; `warning` does not. */
export type Level = "ok" | "warning" | "bad";

export interface Line {
  readonly level: Level;
  readonly text: string;
}

/** One part of the screen. Each fails alone, and the others are shown. */
export interface Part<T> {
  readonly title: string;
  /** @throws Error in the words for the reader */
  readonly look: (asked: Asked) => Promise<T>;
  /** Lines for people, from the value that `--json` has. */
  readonly lines: (value: T, now: Date) => Line[];
}

/** A part with its type forgotten, for the list of all. */
export type AnyPart = Part<unknown>;

export const definePart = <T>(part: Part<T>): AnyPart => part as AnyPart;

export const ok = (text: string): Line => ({ level: "ok", text });
export const warning = (text: string): Line => ({ level: "warning", text });
export const bad = (text: string): Line => ({ level: "bad", text });
