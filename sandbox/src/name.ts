import { UserError } from "../../offline/lib/user-error.js";
import { rememberedPlace, sandboxName, type Settings } from "./settings.js";
import type { State } from "./state.js";

/**
 * Keeps a work tree to one SANDBOX_NAME, which `up` and `cluster` set. Its keys and settings belong to the containers of
 * that name; another name would create a second set of containers that no `make down` finds.
 * @throws UserError if the work tree's sandbox has another name
 */
export function keepName(state: State, command: string, name = sandboxName): void {
  const known = rememberedPlace(state.dir).name;
  if (known !== undefined && known !== name) {
    throw new UserError(
      `The sandbox of this work tree is called ${known}, but SANDBOX_NAME asks for ${name}. Set SANDBOX_NAME=${known}, ` +
        `or run \`SANDBOX_NAME=${known} make down DATA=delete\` first.`,
    );
  }
  if (known === undefined && (command === "up" || command === "cluster")) state.write("name", `${name}\n`);
}

/** Records where the sandbox is, once its network is there: a shell without the variables must not act on another sandbox. */
export function rememberPlace(state: State, { ports, subnetPrefix }: Settings, name = sandboxName): void {
  state.write("name", [name, ports.edge - 80, subnetPrefix, ""].join("\n"));
}
