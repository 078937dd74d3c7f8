/**
 * Thrown by `create` or `update` when the resource exists but is not as it should be (Terraform: an id was set, then
 * an error came). The state is kept with init errors; the next `up` calls `update`. Nothing is tainted or replaced.
 */
export class PartialFailure<State = object> extends Error {
  override readonly name = "PartialFailure";

  constructor(
    /** The id of what exists; not empty. */
    readonly id: string,
    /** As far as it is known; keys left out keep the inputs' values. */
    readonly state: State,
    /** At least one sentence for the user. */
    readonly reasons: readonly string[],
  ) {
    super(reasons.join("\n"));
  }
}

/** The sentence for the user in whatever was thrown: no stack trace, the causes of an AggregateError spelled out. */
export function messageOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return error.errors.map(messageOf).join("; ");
  if (error instanceof Error) return error.message === "" ? error.name : error.message;
  return String(error);
}
