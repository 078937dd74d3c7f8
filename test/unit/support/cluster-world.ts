/** The pieces that several components of a cluster need, as cluster.ts would make them. */
import * as postgresql from "@pulumi/postgresql";
import * as vault from "@pulumi/vault";
import { Database } from "../../../components/database/database";
import { AuditService, type AuditServiceArgs } from "../../../components/kubernetes/audit-service";
import { Cluster, type ClusterArgs } from "../../../components/kubernetes/cluster";
import type { EdgeProxyArgs } from "../../../components/kubernetes/edge-proxy";
import type { VaultForPods } from "../../../components/kubernetes/kubernetes-login";
import { SecretsBinding, type SecretsBindingArgs } from "../../../components/kubernetes/secrets-binding";
import { AccessTokens } from "../../../components/secrets/access-tokens";
import { ROUTES } from "../../../nginx/routes";
import { find, type Registered } from "./program";
import { EXPORTER, IMAGE, NGINX, TOOLS } from "./world";

export const REACH = {
  database: { ranges: ["10.0.0.40/32"], port: 5433 },
  vault: { ranges: ["10.0.0.50/32"], port: 8200 },
};

export const newCluster = (more: Partial<ClusterArgs> = {}): Cluster =>
  new Cluster("cluster", { context: "production", namespace: "log", tools: TOOLS, ...more });

export const newVault = (more: Partial<VaultForPods> = {}): VaultForPods => ({
  provider: new vault.Provider("vault", { address: "https://vault.example.test:8200" }),
  address: "https://vault.example.test:8200",
  agentAddress: "https://vault.internal.test:8200",
  agentImage: TOOLS,
  kubernetes: { mount: "k8s", audience: "vault.example.test" },
  ...more,
});

export const newSecrets = (cluster: Cluster, more: Partial<SecretsBindingArgs> = {}): SecretsBinding =>
  new SecretsBinding("audit-svc", {
    ...{ cluster, vault: newVault(), secret: { mount: "secret", path: "audit-svc/cluster" } },
    data: { database: { password: "password-of-the-service" } },
    ...more,
  });

/** The service with all that it stands between. */
export function newService(more: Partial<AuditServiceArgs> = {}, of: Partial<ClusterArgs> = {}): AuditService {
  const cluster = newCluster(of);
  const access = newVault();
  const database = new Database("audit", {
    server: { host: "db.example.test", port: 5433, sslMode: "verify-full" },
    database: "events",
    provider: new postgresql.Provider("server", { host: "db.example.test" }),
  });
  const tokens = new AccessTokens("audit", {
    ...{ applications: ["billing"], provider: access.provider, mount: "secret", path: "audit-svc/cluster-tokens" },
  });
  const secrets = newSecrets(cluster, { vault: access, data: { database: database.connection } });
  return new AuditService("audit-svc", {
    ...{ cluster, database, tokens, secrets, previous: undefined, reach: REACH, behind: "audit-edge" },
    spec: { image: IMAGE, replicas: 3, memory: 256, reloadOn: "admin" },
    ...more,
  });
}

export const edgeArgs = (cluster: Cluster): EdgeProxyArgs => ({
  ...{ cluster, routes: ROUTES, exposure: "loadBalancer", reach: REACH },
  service: { upstream: { service: "audit-svc", pods: "audit-svc-pods" } },
  images: { nginx: NGINX, exporter: EXPORTER },
  listen: { port: 80, tlsPort: 443, metricsPort: 9145 },
  metricsAllow: ["10.0.0.9"],
  metricsAddress: "audit.example.test:9145",
  environment: "cluster",
  publicUrl: "https://audit.example.test",
});

/** A Prometheus of the cluster, the peer that it is to network policies, and the labels that its targets get. */
export const POD_MONITORS = {
  namespace: "monitoring",
  labels: { release: "prometheus" },
  metricsAddress: "audit.example.test:9145",
  environment: "cluster",
};
export const PROMETHEUS = [
  {
    namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": "monitoring" } },
    podSelector: { matchLabels: { "app.kubernetes.io/name": "prometheus" } },
  },
];
export const relabelings = (job: string, instance: string, replica: string) => {
  const sourceLabels = ["__meta_kubernetes_pod_ip"];
  return [
    { targetLabel: "job", replacement: job },
    { targetLabel: "application", replacement: "audit-svc" },
    { targetLabel: "environment", replacement: "cluster" },
    { sourceLabels, targetLabel: "instance", replacement: `audit.example.test:9145/${instance}$1` },
    { sourceLabels, targetLabel: "replica", replacement: `${replica}$1` },
  ];
};

/** Ports in a network policy. */
export const tcp = (...ports: number[]) => ports.map((port) => ({ protocol: "TCP", port }));

/** What a resource of the cluster says, as far as tests read it. */
export interface Manifest {
  immutable?: boolean;
  metadata: { name: string; namespace?: string; labels?: Record<string, string>; annotations?: Record<string, string> };
  spec: Record<string, unknown>;
  data?: Record<string, string>;
}
export const manifest = (resources: readonly Registered[], kind: string, name: string): Manifest =>
  find(resources, kind, name).inputs as unknown as Manifest;

export interface Container {
  name: string;
  image: string;
  command?: string[];
  args?: string[];
  env?: { name: string; value: string }[];
  restartPolicy?: string;
  securityContext: Record<string, unknown>;
  volumeMounts?: { name: string; mountPath: string; readOnly?: boolean }[];
  [more: string]: unknown;
}
export interface PodSpec {
  initContainers: Container[];
  containers: Container[];
  volumes: Record<string, unknown>[];
  topologySpreadConstraints?: { maxSkew: number; whenUnsatisfiable: string }[];
  [more: string]: unknown;
}
/** The pods of a Deployment. */
export const podOf = (deployment: Manifest): { metadata: Manifest["metadata"]; spec: PodSpec } =>
  deployment.spec.template as { metadata: Manifest["metadata"]; spec: PodSpec };

/** Everything that runs in these pods. */
export const containersOf = ({ initContainers, containers }: PodSpec): Container[] => [
  ...initContainers,
  ...containers,
];

export const envOf = ({ env = [] }: Container): Record<string, string> =>
  Object.fromEntries(env.map(({ name, value }) => [name, value]));
