import { UserError } from "../lib/user-error";

/** Namespace of the stack's configuration: the project's name in Pulumi.yaml. */
export const NAMESPACE = "audit";

/** Every mistake in the stack's configuration. */
export class ConfigError extends UserError {
  constructor(readonly problems: readonly string[]) {
    const count = problems.length === 1 ? "1 mistake" : `${problems.length} mistakes`;
    super(
      `The stack's configuration has ${count}; nothing was changed.\n${problems.map((p) => `  - ${p}`).join("\n")}`,
    );
  }
}
