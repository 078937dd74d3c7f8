import type * as pulumi from "@pulumi/pulumi";

/**
 * Who writes the agents' policies and roles in Vault: `bootstrap`, an administrator with bootstrap/vault.ts; or
 * `program`, this program, whose token could then grant itself anything.
 */
export type OwnerInVault = "bootstrap" | "program";

/** How this run treats what {@link OwnerInVault} has written. */
export interface InVault {
  owner: OwnerInVault;
  /** False in a preview that has no login to Vault, and so cannot read what is there. */
  readable: boolean;
}

/** The default: the program writes them. */
export const OWNED: InVault = { owner: "program", readable: true };

/**
 * Options of a resource that bootstrap has created: it is imported from Vault as it is, never written, and kept when
 * the stack is destroyed. If the stack had created it itself, the stack gives it up the same way: nothing is deleted.
 *
 * @param id the resource's ID in Vault, as the plugin imports it
 */
export function adopted({ owner, readable }: InVault, id: string): pulumi.CustomResourceOptions {
  if (owner === "program") return {};
  return { ignoreChanges: ["*"], retainOnDelete: true, ...(readable ? { import: id } : {}) };
}
