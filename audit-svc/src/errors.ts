/** A mistake of the operator's: shown as one message, without a stack trace. */
export class UserError extends Error {
  override readonly name = "UserError";
}

/** The text of anything thrown, for logs and answers. `pg` and Node throw AggregateError with an empty message when every address refuses. */
export function reasonOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return error.errors.map(reasonOf).join("; ");
  return error instanceof Error ? error.message || error.name : String(error);
}
