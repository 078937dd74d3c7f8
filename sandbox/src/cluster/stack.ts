import { platformSettings } from "../stack-config.js";
import { addressOf } from "../settings.js";
import { clusterStack, type Values } from "../stack-file.js";
import type { Access } from "./access.js";
import { contextName, nodePorts } from "./layout.js";

/** Settings of the stack `cluster` that depend on this machine: the platform's, and the cluster's addresses. */
export function clusterSettings(
  { nodes, edge }: Pick<Access, "nodes" | "edge">,
  ...known: Parameters<typeof platformSettings>
): Values {
  const [settings] = known;
  return {
    ...platformSettings(...known),
    ...clusterStack.inVault(settings),
    "audit:environment": "cluster",
    "audit:kubeContext": contextName,
    "audit:databaseRanges": [`${addressOf(settings, "postgres")}/32`],
    "audit:vaultRanges": [`${addressOf(settings, "vault")}/32`],
    // One per node, so that every node answers on the edge's ports.
    "audit:edgeReplicas": nodes.length,
    "audit:edgeService": "nodePort",
    "audit:edgePort": nodePorts.edge,
    "audit:edgeTlsPort": nodePorts.edgeTls,
    "audit:edgeMetricsPort": nodePorts.metrics,
    "audit:serviceUrl": edge,
    // For a cluster on other machines: the program refuses plain HTTP over a network unless this is set.
    ...(new URL(edge).hostname === "127.0.0.1" ? {} : { "audit:edgePlainHttp": true }),
    "audit:metricsAddress": `${nodes[0] ?? ""}:${nodePorts.metrics}`,
    // By the job that the sandbox has added to Prometheus.
    "audit:prometheusDiscovery": "http",
  };
}
