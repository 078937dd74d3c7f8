import type { local } from "@pulumi/command";
import type { InputsOf } from "../framework/index.js";
import type { Properties } from "../framework/values.js";

export type PlainInputs = InputsOf<typeof local.Command>;
/** A resource's state without the marks of its secrets. */
export type CommandState = PlainInputs & {
  stdout?: string;
  stderr?: string;
  /** Assets by their path, as the protocol writes them. */
  assets?: Properties;
  archive?: Properties;
};

/** All inputs of the resource. */
export const inputNames = [
  "create",
  "update",
  "delete",
  "triggers",
  "stdin",
  "logging",
  "interpreter",
  "dir",
  "environment",
  "assetPaths",
  "archivePaths",
  "addPreviousOutputInEnv",
] as const satisfies readonly (keyof PlainInputs)[];

/** Which streams are echoed; any other value of `logging`, such as `none`, echoes nothing. */
export function logsOf(logging: string | undefined): { stdout: boolean; stderr: boolean } {
  const both = logging === undefined || logging === "stdoutAndStderr";
  return { stdout: both || logging === "stdout", stderr: both || logging === "stderr" };
}

/** The error of a failed command. It contains the command and all of its output, including any secrets in them. */
export function commandFailed(failure: string, command: string, output: string): Error {
  return new Error(`${failure}: running ${JSON.stringify(command)}:\n${output}`);
}
