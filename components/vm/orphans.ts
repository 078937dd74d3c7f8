import * as pulumi from "@pulumi/pulumi";
import { askHost } from "./ask-host";
import { scriptLine } from "../host/script-file";

/** The docker CLI's word for the types whose names the components fix. */
const KINDS: Readonly<Record<string, string>> = {
  "docker:index/container:Container": "container",
  "docker:index/network:Network": "network",
};

/**
 * Removes an orphan: what has the name of a container or network that is about to be made. A deploy that was killed between making one
 * and writing it down leaves one that the state does not know, and every later deploy would find the name taken. Making one
 * succeeds only where nothing has its name, so whatever has it at that moment is such an orphan (docs/decisions/0064).
 *
 * @param shell the command before a shell text that is to run on the host
 */
export function removesOrphans(name: string, shell: string): pulumi.ResourceHookBinding {
  // The state of what was deployed before has the hook by this name.
  const hook = new pulumi.ResourceHook(`${name}-leftovers`, async ({ type, newInputs }) => {
    const script = removeScript(type, newInputs?.name);
    if (script === undefined) return;
    await askHost(shell, script).catch((error: unknown) => {
      throw new Error(`the host could not be asked for orphans: ${(error as Error).message}`);
    });
  });
  return { beforeCreate: [hook] };
}

/** Shell line that leaves nothing of this type and name; undefined for a type that is none of ours, or a name that is not fixed. */
export function removeScript(type: string, name: unknown): string | undefined {
  const kind = KINDS[type];
  if (kind === undefined || typeof name !== "string") return undefined;
  return scriptLine("remove-orphan.sh", [kind, name]);
}
