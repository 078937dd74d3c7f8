import type { Output } from "@pulumi/pulumi";
import type { ClusterArgs } from "../components/kubernetes/cluster";
import type { EdgeProxyArgs } from "../components/kubernetes/edge-proxy";
import type { AuditServiceArgs } from "../components/kubernetes/audit-service";
import type { VaultForPods } from "../components/kubernetes/kubernetes-login";
import type { Values } from "./groups";
import { rangesOf, vaultHost } from "./kubernetes";
import { discovery } from "./monitoring";

type Login = { server: string; username: string; password: Output<string> } | undefined;

/** What the components of a cluster are told besides what those of the VM are told as well. */
export const clusterArguments = (values: Values, registry: Login) => ({
  /** For Cluster. */
  cluster: {
    // config/kubernetes.ts says so where it is missing.
    context: values.kubeContext ?? "",
    namespace: values.kubeNamespace,
    tools: values.vaultImage,
    registry,
    policyCheck: values.policyCheck,
    podMonitors: podMonitors(values),
  } satisfies ClusterArgs,
  /** For everything that logs in to Vault from a pod. */
  login: {
    kubernetes: { mount: values.vaultKubernetesMount, audience: values.vaultAudience },
  } satisfies Partial<VaultForPods>,
  /** Where pods may go. */
  reach: {
    database: { ranges: rangesOf(values.databaseRanges, values.databaseHost), port: values.databasePort },
    vault: { ranges: rangesOf(values.vaultRanges, vaultHost(values)), port: portOf(vaultUrl(values)) },
  },
  /** For AuditService. */
  onCluster: {
    cpuRequest: values.cpuRequest,
    autoscale: values.replicasMax === 0 ? undefined : { max: values.replicasMax, cpu: values.replicasCpu },
  } satisfies Partial<AuditServiceArgs>,
  /** For EdgeProxy. */
  front: {
    replicas: values.edgeReplicas,
    exposure: values.edgeService,
    addressDeadline: values.edgeAddressSeconds,
    annotations: values.edgeAnnotations,
    clients: values.edgeClients,
    metricsAddress: values.metricsAddress,
    environment: values.environment,
  } satisfies Partial<EdgeProxyArgs>,
});

/** A Prometheus inside the cluster; undefined = it is elsewhere, and asks the edge. */
function podMonitors(values: Values): ClusterArgs["podMonitors"] {
  const chosen = discovery.chosen(values);
  if (chosen.by !== "podMonitor") return undefined;
  const { namespace, labels } = chosen;
  return { namespace, labels, metricsAddress: values.metricsAddress, environment: values.environment };
}

const vaultUrl = ({ vaultAddress, vaultAgentAddress = vaultAddress }: Values): URL => new URL(vaultAgentAddress);

const portOf = ({ port, protocol }: URL): number => (port === "" ? (protocol === "https:" ? 443 : 80) : Number(port));
