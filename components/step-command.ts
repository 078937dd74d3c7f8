import { extname, join, relative } from "node:path";
import { commandLine } from "../lib/shell";

/** A program of steps/: a file that is run, not imported. */
export type Step =
  | "check-agents"
  | "check-targets"
  | "deliver-secret-id"
  | "hand-over-login"
  | "load-rules"
  | "log-keys"
  | "revoke-former"
  | "revoke-leases";

/**
 * The arguments with which Node runs a step. In the repository it is TypeScript, like this file; in the package both
 * are compiled.
 *
 * The path is relative to the working directory, in which the stack's commands run too. An absolute path would make the
 * state differ between machines.
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
