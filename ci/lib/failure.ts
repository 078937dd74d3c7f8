import { nameArguments } from "../../lib/argument-names";
import { whyNoAnswer } from "../../lib/unknown-authority";
import { conceal, mask } from "./secrets";

/** Something that the reader of the job's log can fix; shown as one line, without a stack trace. */
export class Failure extends Error {}

/**
 * A job's environment and output, passed explicitly so that tests need neither the process's environment nor its
 * output.
 */
export interface Job {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly argv: readonly string[];
  /** Prints a line to the job's log; secrets are masked. */
  readonly say: (line: string) => void;
}

/** Runs a job's script. On failure the last line says what is wrong, and the exit code is 1. */
export function runJob(script: (job: Job) => Promise<void>): void {
  nameArguments({ "the argument authority": "audit:caFile" });
  const say = (line: string): void => void process.stdout.write(`${mask(line)}\n`);
  for (const name of ["VAULT_ID_TOKEN", "HARBOR_PASSWORD", "GITLAB_TOKEN"]) conceal(process.env[name]);
  script({ env: process.env, argv: process.argv.slice(2), say }).catch((error: unknown) => {
    const text = error instanceof Failure ? oneLine(error.message) : unexpected(error);
    process.stderr.write(`error: ${mask(text)}\n`);
    process.exitCode = 1;
  });
}

/** Joins the lines of a text into one. */
export const oneLine = (text: string): string => text.trim().replace(/\s*\n\s*/g, "; ");

/** Why a request or a command failed, in one line. */
export const reason = (error: unknown): string => oneLine(whyNoAnswer(error));

/** A bug rather than a user's mistake: shows the stack trace. */
const unexpected = (error: unknown): string =>
  error instanceof Error ? (error.stack ?? error.message) : `unexpected: ${String(error)}`;

/**
 * The value of a variable, without surrounding white space from pasting or from files. GitLab also passes empty
 * variables; they count as not set.
 */
export function optional(env: Job["env"], name: string): string | undefined {
  const value = env[name]?.trim();
  return value === "" ? undefined : value;
}

/**
 * A value that must be one line, as all names and secrets except keys are.
 *
 * @throws Failure naming it, without its value
 */
export function oneLineOf(env: Job["env"], name: string): string | undefined {
  const value = optional(env, name);
  // eslint-disable-next-line no-control-regex
  if (value !== undefined && /[\u0000-\u001f\u007f]/.test(value)) {
    throw new Failure(`${name} has a line break or another control character within it; set it again, as one line`);
  }
  return value;
}

/** The value of a required variable, one line. @throws Failure naming the variable and what it is for */
export function required(env: Job["env"], name: string, purpose: string): string {
  const value = oneLineOf(env, name);
  if (value === undefined) throw new Failure(`${name} is not set; ${purpose}`);
  return value;
}
