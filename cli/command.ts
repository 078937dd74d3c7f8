import type { Argv } from "yargs";
import type { Interrupts } from "./interrupts";
import type { Output } from "./output";
import type { Env } from "./project";
import type { World, WorldOptions } from "./world";

/** Options of every command. */
export interface Common {
  readonly stack: string | undefined;
  readonly json: boolean;
}

/** What a command works with. It reads no `process.*`, so that tests run it in this process. */
export interface Context {
  readonly output: Output;
  readonly env: Env;
  /** Directory in which the command was called. */
  readonly cwd: string;
  readonly interrupts: Interrupts;
  /** The stack that `--stack` names, and what it talks to; read when it is first asked for. */
  readonly world: (options?: WorldOptions) => Promise<World>;
}

/**
 * One command, in a file of its own in cli/commands/. That file is loaded for the help of every command, so it imports
 * only types of what is heavy and loads the rest in `run`.
 */
export interface Command<A extends object> {
  /** In yargs' form: the name, then `<needed>`, `[optional]` and `[rest..]` arguments. */
  readonly usage: string;
  /** What it does, in one line. */
  readonly about: string;
  /** At least one: the line, and what it is for. */
  readonly examples: readonly (readonly [line: string, purpose: string])[];
  /** Adds the command's own options. */
  readonly options: (parser: Argv<Common>) => Argv<Common & A>;
  /** @returns the exit code, one of EXIT */
  readonly run: (args: Common & A, context: Context) => Promise<number>;
}

/** A command with the type of its own options forgotten, for the list of all. */
export type AnyCommand = Command<Record<string, unknown>>;

export const defineCommand = <A extends object>(command: Command<A>): AnyCommand => command as unknown as AnyCommand;
