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
  /** Generated file with its settings; it keeps what the developer has set with `pulumi config set`. */
  readonly file: string;
  /** The settings as they were generated, without the developer's. */
  readonly generated: string;
  /** It is there when the stack was made. */
  readonly ready: string;
  /** Where its secret lies in Vault. */
  readonly vaultPath: string;
  /** The sandbox's settings that Vault must be set up for. */
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
    // Vault sees VM2's address on the platform network, because VM2 masquerades its containers.
    "audit:hostCidr": `${addressOf(settings, "vm2")}/32`,
    "audit:vaultPath": sandboxStack.vaultPath,
    "audit:databaseHost": hostName("postgres"),
    "audit:log": "vault",
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
    "audit:log": "vault",
    // Beside VM2's, on the same server.
    "audit:databaseName": "audit_cluster",
  }),
};

export const configFile = sandboxStack.file;

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
  ...["log", "logTransitMount", "logPlatform"],
  ...["platform", "kubeNamespace", "vaultKubernetesMount", "vaultAudience"],
] as const;

/**
 * The stack's settings, including the developer's, that Vault is set up for, in the shape of `stack` in
 * bootstrap/settings.ts.
 */
export function stackForVault(settings: Settings, state: State, stack = sandboxStack): Values {
  const values: Values = {
    ...stack.inVault(settings),
    ...readYaml(join(settings.root, stack.own)).config,
    ...readYaml(state.path(stack.file)).config,
  };
  return Object.fromEntries(
    IN_VAULT.map((key) => [key, values[`audit:${key}`]] as const)
      .filter(([, value]) => value !== undefined && value !== "")
      // The CLI writes numbers as text.
      .map(([key, value]) => [key, key === "databasePort" ? Number(value) : value]),
  );
}
