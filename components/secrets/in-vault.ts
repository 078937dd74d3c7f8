import type * as pulumi from "@pulumi/pulumi";

/**
 * Who writes the policies and roles in Vault by which others log in there: `bootstrap`, an administrator by bootstrap/vault.ts, or
 * `program`, this program, whose token then may grant itself anything.
 */
export type OwnerInVault = "bootstrap" | "program";

/** How this run treats what {@link OwnerInVault} has written. */
export interface InVault {
  owner: OwnerInVault;
  /** False in a preview that has no login to Vault, and so cannot read what is there. */
  readable: boolean;
}

/** What the program does when nobody says otherwise. */
export const OWNED: InVault = { owner: "program", readable: true };

/**
 * Options of a resource that bootstrap has made: it is taken from Vault as it is, never written, and stays when the stack goes. A stack
 * that had made it itself gives it up the same way: nothing is deleted.
 *
 * @param id the resource's in Vault, as the plugin imports it
 */
export function adopted({ owner, readable }: InVault, id: string): pulumi.CustomResourceOptions {
  if (owner === "program") return {};
  return { ignoreChanges: ["*"], retainOnDelete: true, ...(readable ? { import: id } : {}) };
}
