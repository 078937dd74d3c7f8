import { platformSettings } from "../stack-config.js";
import { addressOf } from "../settings.js";
import { clusterStack, type Values } from "../stack-file.js";
import type { Access } from "./access.js";
import { contextName, nodePorts } from "./layout.js";

/** What only this machine knows of the stack `cluster`: beside the platform's, where the cluster is and how it is reached. */
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
    // One on each node, so that every node answers on the edge's ports.
    "audit:edgeReplicas": nodes.length,
    "audit:edgeService": "nodePort",
    "audit:edgePort": nodePorts.edge,
    "audit:edgeTlsPort": nodePorts.edgeTls,
    "audit:edgeMetricsPort": nodePorts.metrics,
    "audit:serviceUrl": edge,
    // Of a cluster on other machines; refused over a network unless it is said to be wanted.
    ...(new URL(edge).hostname === "127.0.0.1" ? {} : { "audit:edgePlainHttp": true }),
    "audit:metricsAddress": `${nodes[0] ?? ""}:${nodePorts.metrics}`,
    // By the job that the sandbox has given Prometheus.
    "audit:prometheusDiscovery": "http",
  };
}
