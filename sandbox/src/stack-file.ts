import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { addressOf, hostName, type Settings } from "./settings.js";
import type { State } from "./state.js";

/**
 * Generated file with the stack's settings under `.sandbox/`; it keeps what the developer has set with `pulumi config
 * set`.
 */
export const configFile = "Pulumi.sandbox.yaml";
export const vaultPath = "audit-svc/sandbox";

export type Values = Record<string, unknown>;
export interface StackFile {
  secretsprovider?: string;
  encryptedkey?: string;
  config?: Values;
}

export function readYaml(path: string): StackFile {
  return existsSync(path) ? ((parse(readFileSync(path, "utf8")) ?? {}) as StackFile) : {};
}

/** Keys of the stack's settings that determine its agents' rights in Vault. */
const IN_VAULT = [
  ...[
    "vaultPath",
    "hostCidr",
    "databaseCredentials",
    "databaseHost",
    "databasePort",
    "databaseName",
    "databaseSslMode",
    "caFile",
  ],
  ...["tls", "tlsPkiMount", "tlsPkiRole"],
] as const;

/**
 * The stack's settings, including the developer's, that Vault is set up for, in the shape of `stack` in
 * bootstrap/settings.ts.
 */
export function stackForVault(settings: Settings, state: State): Values {
  const values: Values = {
    ...vaultDefaults(settings),
    ...readYaml(join(settings.root, "Pulumi.sandbox.yaml")).config,
    ...readYaml(state.path(configFile)).config,
  };
  return Object.fromEntries(
    IN_VAULT.map((key) => [key, values[`audit:${key}`]] as const)
      .filter(([, value]) => value !== undefined && value !== "")
      // The CLI writes numbers as text.
      .map(([key, value]) => [key, key === "databasePort" ? Number(value) : value]),
  );
}

/** The part of them that depends on this machine. */
export const vaultDefaults = (settings: Settings): Values => ({
  // Vault sees VM2's address on the platform network, because VM2 masquerades its containers.
  "audit:hostCidr": `${addressOf(settings, "vm2")}/32`,
  "audit:vaultPath": vaultPath,
  "audit:databaseHost": hostName("postgres"),
});
