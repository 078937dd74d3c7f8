import type { Argument } from "../lib/argument-names";
import { NAMESPACE } from "./errors";
import type { Values } from "./groups";

/** The setting of each argument that a component's message names. */
const settings: Record<Argument, keyof Values> = {
  "AccessTokens: versions": "tokenVersions",
  "Cluster: context": "kubeContext",
  "Cluster: namespace": "kubeNamespace",
  "Cluster: podMonitors": "prometheusDiscovery",
  "Cluster: podMonitors.labels": "podMonitorLabels",
  "Cluster: policyCheck": "policyCheck",
  "Cluster: registry": "registryUsername",
  "Database: passwordVersion": "databasePasswordVersion",
  "EdgeProxy: addressDeadline": "edgeAddressSeconds",
  "EdgeProxy: certificate.certificateFile": "tlsCertificateFile",
  "EdgeProxy: certificate.keyFile": "tlsKeyFile",
  "EdgeProxy: certificate.role": "tlsPkiRole",
  "EdgeProxy: exposure": "edgeService",
  "EdgeProxy: listen.metricsPort": "edgeMetricsPort",
  "EdgeProxy: listen.port": "edgePort",
  "EdgeProxy: listen.tlsPort": "edgeTlsPort",
  "EdgeProxy: publicUrl": "serviceUrl",
  "Networks: mtu": "networkMtu",
  "Networks: range": "networkPrefix",
  "Observability: alerts.directory": "prometheusRules",
  "Observability: alerts.reload": "prometheusReload",
  "Observability: files": "prometheusHost",
  "Observability: prometheus.targets.directory": "prometheusTargets",
  "Observability: prometheus.url": "prometheusUrl",
  "findInVault: owner": "vaultPolicies",
  "the argument authority": "caFile",
};

/** How messages of this program name the arguments of its components: by configuration key. */
export const KEYS = Object.fromEntries(
  Object.entries(settings).map(([argument, setting]) => [argument, `${NAMESPACE}:${setting}`]),
) as Record<Argument, string>;
