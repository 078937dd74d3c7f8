/**
 * A mistake or a circumstance that the operator can mend: shown as its message alone, without a stack trace.
 * The message names what is wrong and what to do about it.
 */
export class UserError extends Error {
  override readonly name = "UserError";

  /** True for anything that was thrown as a UserError, also by another copy of this module. */
  static is(error: unknown): error is UserError {
    return error instanceof Error && error.name === "UserError";
  }
}
