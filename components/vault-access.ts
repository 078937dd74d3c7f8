import type * as vault from "@pulumi/vault";

/** An existing Vault, and how it is reached. */
export interface VaultAccess {
  provider: vault.Provider;
  /** Address as this program reaches it, for example `https://vault.example.com:8200`. */
  address: string;
  /** Namespace (Vault Enterprise, HCP Vault) that holds everything of this program, for example `team`; default none. */
  namespace?: string;
}

/** A Vault that containers on the VM ask as well. */
export interface VaultForAgents extends VaultAccess {
  /** Address as the VM reaches it. */
  agentAddress: string;
  /** AppRole mount; default "approle". */
  appRoleMount?: string;
}

/** The vault CLI's own variables, which the programs of vault-agent/ heed, too. The token comes from the process's environment. */
export function vaultEnvironment({ address, namespace }: VaultAccess): Record<string, string> {
  return { VAULT_ADDR: address, ...(namespace === undefined ? {} : { VAULT_NAMESPACE: namespace }) };
}
