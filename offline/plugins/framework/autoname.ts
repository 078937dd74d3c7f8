import { createHash, randomBytes } from "node:crypto";

/** How the engine wants names made (`pulumi:autonaming` in the stack's configuration). */
export interface Autonaming {
  readonly mode: "propose" | "enforce" | "disable";
  readonly proposedName: string;
}

const suffixLength = 7;

/**
 * The name of a resource that was given none: `<resource name>-<7 hex digits>`, from the engine's seed where there
 * is one, so that a preview and the update after it agree.
 *
 * @throws Error when automatic naming is switched off
 */
export function autoname(resourceName: string, seed: Uint8Array, autonaming: Autonaming | undefined): string {
  switch (autonaming?.mode) {
    case "propose":
    case "enforce":
      return autonaming.proposedName;
    case "disable":
      throw new Error("automatic naming is disabled but no explicit name was provided");
    case undefined: {
      const bytes = seed.length === 0 ? randomBytes(suffixLength) : createHash("sha256").update(seed).digest();
      return `${resourceName}-${bytes.toString("hex").slice(0, suffixLength)}`;
    }
  }
}
