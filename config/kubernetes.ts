import { isIP } from "node:net";
import { z } from "zod";
import { NAMESPACE } from "./errors";
import { isQualifiedName } from "../lib/label";
import { isReserved, NAMESPACE_NAME, RESERVED } from "./names";
import {
  addressOrRange,
  hasControl,
  hint,
  list,
  oneOf,
  optional,
  range,
  texts,
  wholeNumber,
  type GroupOf,
} from "./values";

const ANNOTATIONS = 'must be annotations, such as {"example.com/internal": "true"}';
const ranges = list(range, '["10.0.0.7/32"]');

/** The cluster that everything runs on, and what is different there. */
export const kubernetes = {
  kubeContext: optional(
    z
      .string()
      .refine(
        (text) => !hasControl(text) && !text.startsWith("-"),
        hint("must be the name of a context in KUBECONFIG"),
      ),
  ).describe(
    "Context of the kubeconfig by which the program and kubectl reach the cluster; the file is the one of KUBECONFIG, or ~/.kube/config.",
  ),
  kubeNamespace: z
    .string()
    .regex(NAMESPACE_NAME, hint("must be 1 to 63 small letters, digits or hyphens, neither first nor last a hyphen"))
    .refine((name) => !/^kube-|^default$/.test(name), hint("must be a namespace of the stack's own"))
    .default("audit")
    .describe(
      "Namespace of the stack, with Pod Security restricted and network policies; nothing else belongs in it. kubernetes.yaml of `audit init` makes it, and the first deploy takes it over, or makes it if its login may.",
    ),
  replicasMax: wholeNumber(0, 100)
    .default(0)
    .describe("Most replicas that the autoscaler may run; audit:replicas is then the fewest. 0 = no autoscaler."),
  replicasCpu: wholeNumber(10, 100)
    .default(70)
    .describe("With replicasMax, the use of processor time that the autoscaler aims at, per cent of cpuRequest."),
  cpuRequest: wholeNumber(10, 64_000)
    .default(250)
    .describe("Processor time that the scheduler keeps for one replica, thousandths of a core."),
  edgeReplicas: wholeNumber(2, 50).default(2).describe("Pods of Nginx, spread over the nodes."),
  edgeService: oneOf("loadBalancer", "nodePort")
    .default("loadBalancer")
    .describe(
      "How clients reach Nginx. loadBalancer = an address of the cluster's balancer, with edgePort, edgeTlsPort and edgeMetricsPort as its ports; nodePort = these are ports of every node that runs Nginx.",
    ),
  edgeAddressSeconds: wholeNumber(5, 3600)
    .default(300)
    .describe(
      "With edgeService loadBalancer, how long the cluster's balancer may take until Nginx's Service has an address, seconds; after that the deploy fails.",
    ),
  edgeAnnotations: texts(ANNOTATIONS, [isQualifiedName, ANNOTATIONS], [(name) => !isReserved(name), RESERVED])
    .default({})
    .describe("Annotations of Nginx's Service, by which many a cluster's balancer is set up."),
  edgeClients: list(addressOrRange, '["10.0.0.0/8"]')
    .default([])
    .describe("Address ranges whose clients may reach Nginx. Empty = everybody."),
  databaseRanges: ranges
    .default([])
    .describe(
      "Where pods may reach PostgreSQL, as address ranges. Empty = databaseHost, which must then be an address.",
    ),
  vaultRanges: ranges
    .default([])
    .describe(
      "Where pods may reach Vault, as address ranges. Empty = the host of vaultAgentAddress, which must then be an address.",
    ),
  vaultKubernetesMount: z
    .string()
    .regex(/^[a-z0-9]([a-z0-9_/-]*[a-z0-9])?$/, hint("must be the path of an auth method, without slashes at its ends"))
    .default("kubernetes")
    .describe("Path of Vault's Kubernetes auth method for this cluster."),
  vaultAudience: z
    .string()
    .regex(/^[^\s\p{Cc}]+$/u, hint("must be one word"))
    .default("vault")
    .describe("Audience of the tokens by which pods log in to Vault."),
  policyCheck: oneOf("require", "warn")
    .default("require")
    .describe(
      "What to do on a cluster whose network does not enforce NetworkPolicies. require = refuse it; warn = go on.",
    ),
};

export type ForCluster = GroupOf<typeof kubernetes> & {
  readonly databaseHost: string;
  readonly vaultAddress: string;
  readonly vaultAgentAddress?: string;
  readonly replicas: number;
  readonly tls: string;
  readonly edgePort: number;
  readonly edgeTlsPort: number;
  readonly edgeMetricsPort: number;
  readonly prometheusDiscovery: string;
  readonly reloadOn: string;
};

/** Where pods reach a server: the ranges that are set, else the server itself, if it is known by its address. */
export function rangesOf(given: readonly string[], host: string): string[] {
  if (given.length > 0) return [...given];
  const family = isIP(host);
  return family === 0 ? [] : [`${host}/${family === 4 ? 32 : 128}`];
}

/** Vault as pods reach it. */
export const vaultHost = ({ vaultAddress, vaultAgentAddress = vaultAddress }: ForCluster): string =>
  new URL(vaultAgentAddress).hostname.replace(/^\[|\]$/g, "");

/** What is missing or contradictory on a cluster, one sentence each. */
export function kubernetesContradictions(values: ForCluster): string[] {
  const problems: string[] = [];
  const { kubeContext, databaseHost, replicas, replicasMax, prometheusDiscovery, reloadOn } = values;
  if (kubeContext === undefined) {
    problems.push(
      `${NAMESPACE}:kubeContext is missing; set the context of your cluster, as \`kubectl config get-contexts\` lists it`,
    );
  }
  if (rangesOf(values.databaseRanges, databaseHost).length === 0)
    problems.push(unknownRange("databaseRanges", databaseHost));
  if (rangesOf(values.vaultRanges, vaultHost(values)).length === 0)
    problems.push(unknownRange("vaultRanges", vaultHost(values)));
  if (replicasMax !== 0 && replicasMax < replicas) {
    problems.push(`${NAMESPACE}:replicasMax must be 0, or at least ${NAMESPACE}:replicas (${replicas})`);
  }
  if (prometheusDiscovery === "file") {
    problems.push(
      `${NAMESPACE}:prometheusDiscovery must be http or podMonitor with ${NAMESPACE}:platform kubernetes: pods come and go between deploys, so Prometheus asks for them`,
    );
  }
  if (prometheusDiscovery === "podMonitor" && reloadOn === "main") {
    problems.push(
      `${NAMESPACE}:prometheusDiscovery must be http with ${NAMESPACE}:reloadOn main: a Prometheus in the cluster reaches the service's port, which then takes POST /reload from it`,
    );
  }
  return [...problems, ...nodePorts(values)];
}

const unknownRange = (key: string, host: string): string =>
  `${NAMESPACE}:${key} is missing; network policies know addresses alone, so set the ranges in which ${host} is`;

/** The default ports are those of a balancer; no node offers them. */
function nodePorts({ edgeService, tls, edgePort, edgeTlsPort, edgeMetricsPort }: ForCluster): string[] {
  if (edgeService !== "nodePort") return [];
  const ports = { edgePort, ...(tls === "off" ? {} : { edgeTlsPort }), edgeMetricsPort };
  return Object.entries(ports)
    .filter(([, port]) => port < 1024)
    .map(
      ([key, port]) =>
        `${NAMESPACE}:${key} must be a port that nodes offer, usually 30000 to 32767, with ${NAMESPACE}:edgeService nodePort, not ${port}`,
    );
}
