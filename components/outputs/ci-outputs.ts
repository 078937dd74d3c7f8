import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { resolve } from "node:path";
import { UserError } from "../../lib/user-error";

/** Environment variable that names the file for CI. If unset, this is no CI job and nothing is written. */
export const OUTPUTS_FILE = "AUDIT_OUTPUTS_FILE";

/**
 * Values as a dotenv report, from which GitLab takes a job's variables: one `NAME=value` per line, nothing quoted.
 *
 * @throws UserError naming a value that is empty or has more than one line
 */
export function renderDotenv(values: Readonly<Record<string, string>>): string {
  return Object.entries(values)
    .map(([name, value]) => {
      if (value === "" || /[\r\n]/.test(value)) {
        throw new UserError(`${name} cannot be handed to CI: its value must be one line, and not empty`);
      }
      return `${name}=${value}\n`;
    })
    .join("");
}

/**
 * Hands values to CI: at the end of an `up`, once all of them are known, they are written to the file that
 * AUDIT_OUTPUTS_FILE names. It is a function rather than a resource: a job needs the values even if nothing has
 * changed, and the state does not need them. A preview writes nothing.
 *
 * @param values text by the name that the variable has in CI
 */
export function handToCi(values: Readonly<Record<string, pulumi.Input<string>>>, env = process.env): void {
  const file = env[OUTPUTS_FILE];
  if (file === undefined || file === "" || pulumi.runtime.isDryRun()) return;
  command.local.runOutput({
    // Moved into place, so that nobody reads a partial file.
    command: 'cat > "$FILE.part" && mv "$FILE.part" "$FILE"',
    environment: { FILE: resolve(file) },
    stdin: pulumi.output(values).apply(renderDotenv),
    logging: command.types.enums.local.Logging.None,
  });
}
