import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { addressOf, hostName, type Settings } from "./settings.js";
import type { State } from "./state.js";

export type Values = Record<string, unknown>;
export interface StackFile {
  secretsprovider?: string;
  encryptedkey?: string;
  config?: Values;
}

/** A stack of the program in the sandbox, and its files under `.sandbox/`. */
export interface Stack {
  readonly name: "sandbox" | "cluster";
  /** The developer's settings for it, tracked or not; there need be none. */
  readonly own: string;
  /** Its settings, generated, with what the developer has set by `pulumi config set` kept. */
  readonly file: string;
  /** The settings as they were generated, without the developer's. */
  readonly generated: string;
  /** It is there when the stack was made. */
  readonly ready: string;
  /** Where its secret lies in Vault. */
  readonly vaultPath: string;
  /** What only this machine knows of the settings that Vault is set up for. */
  readonly inVault: (settings: Settings) => Values;
}

/** The service on VM2. */
export const sandboxStack: Stack = {
  name: "sandbox",
  own: "Pulumi.sandbox.yaml",
  file: "Pulumi.sandbox.yaml",
  generated: "stack-generated.json",
  ready: "stack-ready",
  vaultPath: "audit-svc/sandbox",
  inVault: (settings) => ({
    // Vault sees VM2's address on the platform network, because VM2 hides its containers behind it.
    "audit:hostCidr": `${addressOf(settings, "vm2")}/32`,
    "audit:vaultPath": sandboxStack.vaultPath,
    "audit:databaseHost": hostName("postgres"),
  }),
};

/** The same service on the cluster of `make cluster`. */
export const clusterStack: Stack = {
  name: "cluster",
  // Pulumi.cluster.yaml is the example for a cluster of one's own.
  own: "Pulumi.sandbox-cluster.yaml",
  file: "Pulumi.cluster.yaml",
  generated: "stack-generated-cluster.json",
  ready: "stack-ready-cluster",
  vaultPath: "audit-svc/cluster",
  inVault: () => ({
    "audit:platform": "kubernetes",
    "audit:vaultPath": clusterStack.vaultPath,
    "audit:databaseHost": hostName("postgres"),
    // Beside VM2's, on the same server.
    "audit:databaseName": "audit_cluster",
  }),
};

export const configFile = sandboxStack.file;

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
  ...["platform", "kubeNamespace", "vaultKubernetesMount", "vaultAudience"],
] as const;

/** What of the stack's settings, the developer's included, Vault is set up for, in the shape of `stack` in bootstrap/settings.ts. */
export function stackForVault(settings: Settings, state: State, stack = sandboxStack): Values {
  const values: Values = {
    ...stack.inVault(settings),
    ...readYaml(join(settings.root, stack.own)).config,
    ...readYaml(state.path(stack.file)).config,
  };
  return Object.fromEntries(
    IN_VAULT.map((key) => [key, values[`audit:${key}`]] as const)
      .filter(([, value]) => value !== undefined && value !== "")
      // The CLI turns numbers into text when it writes the file.
      .map(([key, value]) => [key, key === "databasePort" ? Number(value) : value]),
  );
}
