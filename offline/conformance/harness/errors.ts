import type { Props } from "./values.js";

/** One of Check's or CheckConfig's reasons for refusing inputs. */
export interface CheckFailure {
  /** Empty where the plugin names the property inside the reason only. */
  readonly property: string;
  readonly reason: string;
}

/** Check refused the inputs. */
export class CheckFailed extends Error {
  constructor(readonly failures: readonly CheckFailure[]) {
    super(failures.map((f) => (f.property ? `${f.property}: ${f.reason}` : f.reason)).join("\n"));
  }
}

/** An operation that left something behind: gRPC status UNKNOWN with the detail `ErrorResourceInitFailed`. */
export class InitFailed extends Error {
  constructor(
    message: string,
    readonly id: string,
    readonly properties: Props,
    readonly inputs: Props,
    readonly reasons: readonly string[],
  ) {
    super(message);
  }
}
