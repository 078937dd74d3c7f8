import type { Kubectl } from "./kubectl.js";
import type { ClusterApi } from "./vault-auth.js";

/** A cluster from any source, as the sandbox uses it. */
export interface Access {
  kubectl: Kubectl;
  /** The API as Vault reaches it. */
  api: ClusterApi;
  /** Names or addresses of the nodes, as Prometheus reaches them. */
  nodes: readonly string[];
  /** The edge as this machine reaches it. */
  edge: string;
  /** True if it was up already. */
  cached: boolean;
  /** For display. */
  detail: string;
}
