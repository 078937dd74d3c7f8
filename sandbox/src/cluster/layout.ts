import { addressOf, hostName, sandboxName, type Settings } from "../settings.js";

/** The nodes. The first one has the control plane, and runs pods like the others. */
export const nodeNames = ["node1", "node2", "node3"] as const;
export type NodeName = (typeof nodeNames)[number];
export const controlPlane = "node1";

/** Holds images, pods' files and, on the first node, etcd's data. */
export const nodeVolume = (node: NodeName): string => `${sandboxName}-${node}`;

/** Ranges inside the cluster. Keep them equal to those in offline/images/kubernetes-node. */
export const podRange = (node: NodeName): string => `10.244.${node.slice(-1)}.0/24`;
export const apiServiceAddress = "10.96.0.1";

/** Node ports of the program's edge. */
export const nodePorts = { edge: 30080, edgeTls: 30443, metrics: 30145 } as const;

/** The API as Vault and the nodes reach it. */
export const apiAddress = (): string => `https://${hostName(controlPlane)}:6443`;
/** The API as this machine reaches it. */
export const localApiAddress = (settings: Settings): string => `https://127.0.0.1:${settings.clusterPorts.api}`;

/** Under the state directory. */
export const clusterDir = "cluster";
export const kubeconfigFile = `${clusterDir}/kubeconfig`;
export const contextName = "audit-sandbox";

/** The platform's names for the cluster's DNS, one line per container, as in /etc/hosts. */
export const platformHosts = (settings: Settings): string =>
  (["postgres", "vault", "registry", "prometheus", "grafana", "vm2", ...nodeNames] as const)
    .map((service) => `${addressOf(settings, service)} ${hostName(service)}\n`)
    .join("");
