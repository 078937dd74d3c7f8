/**
 * A mistake or problem that the operator can fix: only its message is shown, without a stack trace. The message says
 * what is wrong and what to do about it.
 */
export class UserError extends Error {
  override readonly name = "UserError";

  /** True for any UserError, even one from another copy of this module. */
  static is(error: unknown): error is UserError {
    return error instanceof Error && error.name === "UserError";
  }
}
