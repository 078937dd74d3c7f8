import type { Access } from "./access";

export type Level = "ok" | "warning" | "failure" | "skipped";

/** What a check found. */
export interface Finding {
  readonly level: Level;
  /** One sentence, for ok too: what is there. */
  readonly found: string;
  /** With a warning or failure: what to do, and where. */
  readonly cure?: string;
}

/** One look at one thing; it changes nothing. */
export interface Check {
  /** For `--only`, tests and programs; unique. */
  readonly id: string;
  /** What is looked at, in a few words. */
  readonly title: string;
  /** The check without whose success this one says nothing of its own. */
  readonly needs?: string;
  /** Throws what the access throws: an answer that does not come is a failure. */
  readonly run: (access: Access) => Finding | Promise<Finding>;
}

/** The checks of one subject, under a heading of its own. */
export interface Subject {
  readonly name: string;
  readonly checks: readonly Check[];
}

export const ok = (found: string): Finding => ({ level: "ok", found });
export const warning = (found: string, cure: string): Finding => ({ level: "warning", found, cure });
export const failure = (found: string, cure: string): Finding => ({ level: "failure", found, cure });
export const skipped = (found: string): Finding => ({ level: "skipped", found });
