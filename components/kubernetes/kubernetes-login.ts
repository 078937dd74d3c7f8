import { ServiceAccount } from "@pulumi/kubernetes/core/v1";
import type { input } from "@pulumi/kubernetes/types";
import type * as pulumi from "@pulumi/pulumi";
import * as vault from "@pulumi/vault";
import { agentPolicy, kubernetesRole } from "../../lib/vault/rights";
import { OWNED } from "../secrets/in-vault";
import type { VaultAccess } from "../secrets/vault-access";
import type { Cluster } from "./cluster";

/** A Vault that pods ask as well. */
export interface VaultForPods extends VaultAccess {
  /** Address as pods reach it. */
  agentAddress: string;
  /** Vault image by digest, for the agents. */
  agentImage: string;
  /** Vault's auth method for this cluster, and the audience of the tokens that it takes. */
  kubernetes: { mount: string; audience: string };
}

export interface KubernetesLoginArgs {
  cluster: Cluster;
  vault: VaultForPods;
  /** Name of the policy and the role in Vault. */
  role: string;
  /** The one policy, as HCL; the right to renew and to look up its own token is added. */
  policy: string;
}

export interface KubernetesLogin {
  /** Name of the service account of the pods. */
  serviceAccount: string;
  /** For the agent's configuration. */
  kubernetes: { mount: string; role: string; tokenFile: string };
  /** The token, which is good for Vault alone, and where the agent's container has it. */
  volume: input.core.v1.Volume;
  mount: input.core.v1.VolumeMount;
  /** What must be done before a pod can log in. */
  done: pulumi.Resource[];
}

/** Where the token is in the agent's container. */
const DIRECTORY = "/run/vault";

/**
 * The login of a workload's pods to Vault: a service account of their own, and a role in Vault for that service account
 * of that namespace and for tokens of that audience. The role has one policy. There is no secret to deliver: the
 * cluster gives each pod its token, and replaces it (docs/decisions/0166). The service account is named `name`; the
 * cluster's API gives it no right.
 */
export function kubernetesLogin(
  name: string,
  { cluster, vault: access, role, policy }: KubernetesLoginArgs,
  opts: { parent: pulumi.Resource },
): KubernetesLogin {
  const { mount, audience } = access.kubernetes;
  const account = new ServiceAccount(
    name,
    { metadata: cluster.metadata(name), automountServiceAccountToken: false },
    cluster.in(opts.parent),
  );
  return {
    serviceAccount: name,
    kubernetes: { mount, role, tokenFile: `${DIRECTORY}/token` },
    volume: {
      name: "vault-token",
      projected: { sources: [{ serviceAccountToken: { audience, expirationSeconds: 3600, path: "token" } }] },
    },
    mount: { name: "vault-token", mountPath: DIRECTORY, readOnly: true },
    done: [account, ...inVault(name, { cluster, vault: access, role, policy }, opts)],
  };
}

/** What bootstrap has not made already: it is compared before anything is changed, so there is nothing to take over. */
function inVault(
  serviceAccount: string,
  { cluster, vault: access, role, policy }: KubernetesLoginArgs,
  { parent }: { parent: pulumi.Resource },
): pulumi.Resource[] {
  if ((access.inVault ?? OWNED).owner === "bootstrap") return [];
  const opts = { parent, provider: access.provider };
  const written = new vault.Policy(`${serviceAccount}-policy`, { name: role, policy: agentPolicy({ policy }) }, opts);
  const { mount, audience } = access.kubernetes;
  const rights = kubernetesRole(role, { serviceAccount, namespace: cluster.namespace, audience });
  const made = new vault.kubernetes.AuthBackendRole(
    `${serviceAccount}-role`,
    { backend: mount, roleName: role, ...rights },
    { ...opts, dependsOn: [written] },
  );
  return [written, made];
}
