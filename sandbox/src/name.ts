import { UserError } from "../../offline/lib/user-error.js";
import { sandboxName } from "./settings.js";
import type { State } from "./state.js";

/**
 * Keeps a work tree to one SANDBOX_NAME, which `up` and `cluster` set. Its keys and settings belong to the containers of
 * that name; another name would create a second set of containers that no `make down` finds.
 * @throws UserError if the work tree's sandbox has another name
 */
export function keepName(state: State, command: string, name = sandboxName): void {
  const known = state.readText("name")?.trim();
  if (known !== undefined && known !== name) {
    throw new UserError(
      `The sandbox of this work tree is called ${known}, but SANDBOX_NAME asks for ${name}. Set SANDBOX_NAME=${known}, ` +
        `or run \`SANDBOX_NAME=${known} make down DATA=delete\` first.`,
    );
  }
  if (command === "up" || command === "cluster") state.write("name", `${name}\n`);
}
