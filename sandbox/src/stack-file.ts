import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { addressOf, hostName, type Settings } from "./settings.js";
import type { State } from "./state.js";

/** A stack of the program in the sandbox, and its files under `.sandbox/`. */
export interface Stack {
  readonly name: "sandbox" | "cluster";
  /** Its settings, generated, with what the developer has set by `pulumi config set` kept. */
  readonly file: string;
  /** The settings as they were generated, without the developer's. */
  readonly generated: string;
  /** It is there when the stack was made. */
  readonly ready: string;
  /** Where its secret lies in Vault. */
  readonly vaultPath: string;
}

/** The service on VM2. */
export const sandboxStack: Stack = {
  name: "sandbox",
  file: "Pulumi.sandbox.yaml",
  generated: "stack-generated.json",
  ready: "stack-ready",
  vaultPath: "audit-svc/sandbox",
};

/** The same service on the cluster of `make cluster`. */
export const clusterStack: Stack = {
  name: "cluster",
  file: "Pulumi.cluster.yaml",
  generated: "stack-generated-cluster.json",
  ready: "stack-ready-cluster",
  vaultPath: "audit-svc/cluster",
};

export const configFile = sandboxStack.file;

export type Values = Record<string, unknown>;
export interface StackFile {
  secretsprovider?: string;
  encryptedkey?: string;
  config?: Values;
}

export function readYaml(path: string): StackFile {
  return existsSync(path) ? ((parse(readFileSync(path, "utf8")) ?? {}) as StackFile) : {};
}

/** Keys of the stack's settings that say what its agents may do in Vault. */
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

/** What of the stack's settings, the developer's included, Vault is set up for, in the shape of `stack` in bootstrap/settings.ts. */
export function stackForVault(settings: Settings, state: State): Values {
  const values: Values = {
    ...vaultDefaults(settings),
    ...readYaml(join(settings.root, "Pulumi.sandbox.yaml")).config,
    ...readYaml(state.path(configFile)).config,
  };
  return Object.fromEntries(
    IN_VAULT.map((key) => [key, values[`audit:${key}`]] as const)
      .filter(([, value]) => value !== undefined && value !== "")
      // The CLI turns numbers into text when it writes the file.
      .map(([key, value]) => [key, key === "databasePort" ? Number(value) : value]),
  );
}

/** What of it only this machine knows. */
export const vaultDefaults = (settings: Settings): Values => ({
  // Vault sees VM2's address on the platform network, because VM2 hides its containers behind it.
  "audit:hostCidr": `${addressOf(settings, "vm2")}/32`,
  "audit:vaultPath": sandboxStack.vaultPath,
  "audit:databaseHost": hostName("postgres"),
});
