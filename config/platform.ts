import { isDeepStrictEqual } from "node:util";
import type { z } from "zod";
import { NAMESPACE } from "./errors";
import { host, network } from "./host";
import { kubernetes, kubernetesContradictions, type ForCluster } from "./kubernetes";
import { hint, identifier, oneOf } from "./values";

/** What is deployed where. */
export const platform = {
  // Part of the dashboards' uids, of which Grafana takes 40 letters.
  environment: identifier("a name such as vm2")
    .max(28, hint("must have at most 28 letters"))
    .describe("Name of this installation in metrics labels and dashboards, at most 28 letters, for example vm2."),
  platform: oneOf("vm", "kubernetes")
    .default("vm")
    .describe("Where the stack runs. vm = a virtual machine with Docker; kubernetes = a Kubernetes cluster."),
};

export type Platform = z.output<(typeof platform)["platform"]>;

/** The settings that say something on one platform alone. */
const ALONE: Record<Platform, z.ZodRawShape> = { vm: { ...host, ...network }, kubernetes };

/** What of these settings does not go with the platform, one sentence each. */
export function platformContradictions(values: ForCluster & { platform: Platform; hostAddress?: string }): string[] {
  const { platform: chosen } = values;
  const other = chosen === "vm" ? "kubernetes" : "vm";
  return [
    ...Object.entries(ALONE[other])
      .filter(([key, setting]) => isSet(setting as z.ZodType, (values as Record<string, unknown>)[key]))
      .map(
        ([key]) =>
          `${NAMESPACE}:${key} is for ${NAMESPACE}:platform ${other}; remove it, or set ${NAMESPACE}:platform to ${other}`,
      ),
    ...(chosen === "vm" ? onVm(values) : kubernetesContradictions(values)),
  ];
}

/** The CLI hands over Pulumi.yaml's defaults as if they were set, so a value that is the default says nothing. */
const isSet = (setting: z.ZodType, value: unknown): boolean => !isDeepStrictEqual(setting.parse(undefined), value);

function onVm({ hostAddress, prometheusDiscovery }: { hostAddress?: string; prometheusDiscovery: string }): string[] {
  return [
    ...(hostAddress === undefined
      ? [`${NAMESPACE}:hostAddress is missing; set ssh://user@host[:port] or unix:///path`]
      : []),
    ...(prometheusDiscovery === "podMonitor"
      ? [`${NAMESPACE}:prometheusDiscovery must be file or http with ${NAMESPACE}:platform vm: a VM has no pods`]
      : []),
  ];
}
