import type { Kubectl } from "./kubectl.js";
import type { ClusterApi } from "./vault-auth.js";

/** A cluster, wherever it comes from, as the sandbox works with it. */
export interface Access {
  kubectl: Kubectl;
  /** The API as Vault reaches it. */
  api: ClusterApi;
  /** Names or addresses of the nodes, as Prometheus reaches them. */
  nodes: readonly string[];
  /** The edge as this machine reaches it. */
  edge: string;
  /** True when it stood already. */
  cached: boolean;
  /** For the reader. */
  detail: string;
}
