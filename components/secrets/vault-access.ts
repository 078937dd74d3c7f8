import type * as vault from "@pulumi/vault";
import { nodeEnvironment, type CertificateAuthority } from "../../lib/certificate-authority";
import type { InVault } from "./in-vault";

/** An existing Vault, and how to reach it. */
export interface VaultAccess {
  provider: vault.Provider;
  /** Address as this program reaches it, for example `https://vault.example.com:8200`. */
  address: string;
  /** Namespace (Vault Enterprise, HCP Vault) that holds everything of this program, for example `team`; default none. */
  namespace?: string;
  /** Authority that signed its certificate; default: a public one. */
  authority?: CertificateAuthority;
  /** Who writes the policies and roles there; default: this program. */
  inVault?: InVault;
}

/** A Vault that containers on the VM use too. */
export interface VaultForAgents extends VaultAccess {
  /** Address as the VM reaches it. */
  agentAddress: string;
  /** AppRole mount; default "approle". */
  appRoleMount?: string;
  /** Vault image by digest, for the agents. */
  agentImage: string;
  /** Address ranges that may log in with the agents' AppRoles and use their tokens; default any. */
  boundCidrs?: readonly string[];
  /**
   * When the agents' secret_ids were issued, from {@link secretIdIssue}. If this changes, new ones are issued and the
   * former revoked. A constant is right for a program that never wants new secret_ids; they end after 30 days all the
   * same, and an agent that restarts later cannot log in until this has changed.
   */
  secretIdIssue: string;
}

/** For the programs of steps/, which read the vault CLI's variables. The token comes from the process's environment. */
export function vaultEnvironment({
  address,
  namespace,
  authority,
}: Pick<VaultAccess, "address" | "namespace" | "authority">): Record<string, string> {
  return { ...forCli(address, namespace), ...nodeEnvironment(authority) };
}

/** For the vault CLI in a container on the VM, which has none of our files. */
export function vaultCliEnvironment({
  agentAddress,
  namespace,
  authority,
}: Pick<VaultForAgents, "agentAddress" | "namespace" | "authority">): Record<string, string> {
  return {
    ...forCli(agentAddress, namespace),
    ...(authority === undefined ? {} : { VAULT_CACERT_BYTES: authority.pem }),
  };
}

function forCli(address: string, namespace: string | undefined): Record<string, string> {
  return { VAULT_ADDR: address, ...(namespace === undefined ? {} : { VAULT_NAMESPACE: namespace }) };
}
