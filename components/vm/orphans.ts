import * as pulumi from "@pulumi/pulumi";
import { askHost } from "./ask-host";
import { scriptLine } from "../host/script-file";

/** The docker CLI's word for the types whose names the components fix. */
const KINDS: Readonly<Record<string, string>> = {
  "docker:index/container:Container": "container",
  "docker:index/network:Network": "network",
};

/**
 * Removes an orphan: a container or network with the name of one that is about to be created. A deploy that was killed
 * between creating one and recording it leaves it behind unknown to the state, and every later deploy would find the
 * name taken. Creating one would fail while the name is taken, so whatever has it at that moment is such an orphan
 * (docs/decisions/0064).
 *
 * @param shell the command to which a shell text for the host is appended
 */
export function removesOrphans(name: string, shell: string): pulumi.ResourceHookBinding {
  // Deployed stacks have the hook by this name in their state.
  const hook = new pulumi.ResourceHook(`${name}-leftovers`, async ({ type, newInputs }) => {
    const script = removeScript(type, newInputs?.name);
    if (script === undefined) return;
    await askHost(shell, script).catch((error: unknown) => {
      throw new Error(`the host could not be asked for orphans: ${(error as Error).message}`);
    });
  });
  return { beforeCreate: [hook] };
}

/**
 * Shell line that removes whatever has this type and name; undefined for a type that the components do not name, or a
 * name that is not fixed.
 */
export function removeScript(type: string, name: unknown): string | undefined {
  const kind = KINDS[type];
  if (kind === undefined || typeof name !== "string") return undefined;
  return scriptLine("remove-orphan.sh", [kind, name]);
}
