/**
 * The components of a cluster: the same names and roles as on a VM, where the meaning is the same
 * (docs/architecture.md).
 */
export { AuditService, type AuditServiceArgs } from "./audit-service";
export { Cluster, type ClusterArgs, type PodMonitors } from "./cluster";
export { EdgeProxy, type EdgeProxyArgs } from "./edge-proxy";
export { type VaultForPods } from "./kubernetes-login";
export { checkCluster } from "./preflight";
export { type Destination } from "./reach";
export { SecretsBinding, type SecretsBindingArgs } from "./secrets-binding";
