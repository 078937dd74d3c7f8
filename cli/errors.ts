import { UserError } from "../lib/user-error";

/** How a command ends. docs/audit.md tells users. */
export const EXIT = {
  ok: 0,
  /** It failed, or found what it looks for: doctor a failure, init a difference. */
  failed: 1,
  /** The command line is wrong; nothing was done. */
  usage: 2,
  /** Ctrl-C, as a shell says it. */
  interrupted: 130,
} as const;

/** What a command's user can put right. It is shown without a stack trace: say what is wrong and the cure. */
export class CommandError extends Error {
  constructor(
    message: string,
    readonly exitCode: number = EXIT.failed,
  ) {
    super(message);
  }
}

/** A mistake of the command line, for a command's `check`. */
export const usageError = (message: string): CommandError => new CommandError(message, EXIT.usage);

/** Of other rooms, by name. */
const OF_USERS = ["Failure", "SetupError", "VaultFailure"];

/** Whether the message alone tells the user what to do. */
export function isOfUser(error: unknown): error is Error {
  if (!(error instanceof Error)) return false;
  return error instanceof CommandError || error instanceof UserError || OF_USERS.includes(error.constructor.name);
}

/** Whether a question was left by Ctrl-C or Ctrl-D; @inquirer/core's class is not exported by the prompts. */
export const isPromptExit = (error: unknown): boolean => error instanceof Error && error.name === "ExitPromptError";

export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
