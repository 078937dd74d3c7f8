import { isDeepStrictEqual } from "node:util";
import { join } from "node:path";
import { stringify } from "yaml";
import { driftRole } from "./platform/postgres.js";
import { prometheusVolumes } from "./platform/prometheus.js";
import { registryUsers } from "./platform/registry.js";
import { vm2Host } from "./platform/vm2.js";
import { hostName, addressOf, type Settings } from "./settings.js";
import { readYaml, sandboxStack, type Stack, type StackFile, type Values } from "./stack-file.js";
import type { State } from "./state.js";

/** References by digest, as VM2 pulls them. */
export interface StackImages {
  service: string;
  nginx: string;
  exporter: string;
  vault: string;
  /** An image with a shell on the platform's engine, used to write files into Prometheus's volumes. */
  prometheusTools: string;
}

const local = (settings: Settings, port: keyof Settings["ports"]): string => `http://127.0.0.1:${settings.ports[port]}`;

/** Settings that depend on this machine: addresses, ports, digests. Everything else comes from Pulumi.sandbox.yaml. */
export const machineSettings = (...known: Parameters<typeof platformSettings>): Values => ({
  ...platformSettings(...known),
  "audit:environment": "sandbox",
  "audit:hostAddress": vm2Host(known[0]),
  ...sandboxStack.inVault(known[0]),
  "audit:serviceUrl": local(known[0], "edge"),
  "audit:metricsAddress": `${hostName("vm2")}:9145`,
  "audit:prometheusTargets": prometheusVolumes.targets,
});

/** The part of them that describes the platform and is the same for every stack. */
export function platformSettings(
  settings: Settings,
  engineHost: string,
  images: StackImages,
  authorityPath: string,
): Values {
  return {
    "audit:image": images.service,
    "audit:edgeImage": images.nginx,
    "audit:exporterImage": images.exporter,
    "audit:vaultImage": images.vault,
    "audit:registryUsername": registryUsers.puller,
    "audit:databaseAdminHost": "127.0.0.1",
    "audit:databaseAdminPort": settings.ports.postgres,
    "audit:databaseDriftUser": driftRole,
    // The sandbox's private authority signed its certificate, as in many companies.
    "audit:caFile": authorityPath,
    // `make down DATA=delete` and the tests must be able to remove everything.
    "audit:protectData": false,
    "audit:vaultAddress": local(settings, "vault"),
    "audit:vaultAgentAddress": `http://${hostName("vault")}:8200`,
    "audit:edgeMetricsAllow": [addressOf(settings, "prometheus")],
    "audit:prometheusUrl": local(settings, "prometheus"),
    "audit:prometheusHost": engineHost,
    "audit:prometheusRules": prometheusVolumes.rules,
    "audit:prometheusImage": images.prometheusTools,
    "audit:grafanaUrl": local(settings, "grafana"),
    "audit:grafanaPrometheusUrl": `http://${hostName("prometheus")}:9090`,
  };
}

/**
 * Writes a stack's settings: those of the developer's file (if it exists), overridden by the machine's own, and these
 * by what the developer has changed in the generated file since it was written. Images are not kept: `make up` deploys the
 * working tree, even after a rollback with `pulumi up --config audit:image=…`, which the CLI writes into the file.
 * @returns the keys that the developer has set.
 */
export function writeStackConfig(settings: Settings, state: State, machine: Values, stack = sandboxStack): string[] {
  const tracked = readYaml(join(settings.root, stack.own));
  const current = readYaml(state.path(stack.file));
  const before = state.readJson<Values>(stack.generated) ?? {};
  const generated = { ...tracked.config, ...machine };
  const own = Object.entries(current.config ?? {}).filter(
    ([key, value]) => !same(before[key], value) && !(key in machine && /[iI]mage$/.test(key)),
  );
  const next: StackFile = { ...current, config: { ...generated, ...Object.fromEntries(own) } };
  state.writeJson(stack.generated, generated);
  state.write(stack.file, stringify(next));
  return own.map(([key]) => key);
}

/** The stack's settings with some of them overridden, in a file beside the stack's own. @returns its path */
export function writeOneRunConfig(state: State, over: Values, stack = sandboxStack): string {
  const current = readYaml(state.path(stack.file));
  return state.write("stack/one-run.yaml", stringify({ ...current, config: { ...current.config, ...over } }));
}

/** The CLI writes numbers and booleans as text. */
function same(one: unknown, other: unknown): boolean {
  const plain = (value: unknown): unknown =>
    typeof value === "number" || typeof value === "boolean" ? String(value) : value;
  return isDeepStrictEqual(plain(one), plain(other));
}

/** Adopts the stack's key, encrypted by Vault, from the settings file that `pulumi stack init` writes. */
export function adoptEncryption(state: State, initialised: string, stack: Stack): void {
  const { secretsprovider, encryptedkey } = readYaml(initialised);
  const current = readYaml(state.path(stack.file));
  state.write(stack.file, stringify({ secretsprovider, encryptedkey, ...current, ...(secretsprovider ? { secretsprovider, encryptedkey } : {}) })); // prettier-ignore
}

export const hasEncryption = (state: State, stack: Stack): boolean =>
  readYaml(state.path(stack.file)).encryptedkey !== undefined;
