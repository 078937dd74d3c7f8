import { extname, join, relative } from "node:path";
import { commandLine } from "../lib/shell";

/** A program of steps/, each a file that is run and not imported. */
export type Step =
  | "check-agents"
  | "check-targets"
  | "deliver-secret-id"
  | "hand-over-login"
  | "load-rules"
  | "revoke-former"
  | "revoke-leases";

/**
 * The words that Node is to be given to run a step. In the repository it is TypeScript, as this file is; in the package both are compiled.
 *
 * Its path is relative to the working directory, which is where the commands of a stack run as well: the state would otherwise be
 * another on each machine.
 */
export function stepWords(step: Step): string[] {
  const extension = extname(__filename);
  const file = relative(process.cwd(), join(__dirname, "../steps", `${step}${extension}`));
  return extension === ".ts" ? ["--require", "tsx/cjs", file] : [file];
}

/** The command line that runs a step. */
export function stepCommand(step: Step, ...args: readonly string[]): string {
  return commandLine(["node", ...stepWords(step), ...args]);
}
