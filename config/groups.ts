import { z } from "zod";
import type { Choice } from "./alternatives";
import { credentials, database } from "./database";
import { certificate, edge } from "./edge";
import { host, network } from "./host";
import { kubernetes } from "./kubernetes";
import { log, logSigner } from "./log";
import { alerting, discovery, monitoring } from "./monitoring";
import { platform } from "./platform";
import { service } from "./service";
import { trust } from "./trust";
import { vault } from "./vault";

/** Settings of one subject, as docs/settings.md shows them. */
export interface Group {
  readonly title: string;
  /** What the group is about, and what its settings have to do with each other. */
  readonly about: string;
  readonly keys: z.ZodRawShape;
  readonly choices?: readonly Choice[];
}

/** In the order of Pulumi.yaml and docs/settings.md. */
export const groups: readonly Group[] = [
  {
    title: "Platform",
    about:
      "What this installation is called, and whether it runs on a VM or on a Kubernetes cluster. Where a description below says VM, a cluster's pods are meant too.",
    keys: platform,
  },
  {
    title: "VM",
    about:
      "The VM that everything runs on, and how the program reaches its Docker Engine. For `audit:platform: vm` alone, which needs `audit:hostAddress`.",
    keys: host,
  },
  {
    title: "Container networks",
    about:
      "Set these where Docker's own choice collides with your network. Changing one recreates every container. For `audit:platform: vm` alone.",
    keys: network,
  },
  {
    title: "Kubernetes",
    about:
      "The cluster that everything runs on. For `audit:platform: kubernetes` alone, which needs `audit:kubeContext`, and `audit:prometheusDiscovery` as `http` or `podMonitor`.",
    keys: kubernetes,
  },
  {
    title: "Trust",
    about: "Needed where your own certificate authority signed a server's certificate.",
    keys: trust,
  },
  {
    title: "Service",
    about:
      "The image that is deployed, its replicas, and who may send events. `audit:registryUsername` needs `audit:registryPassword`.",
    keys: service,
  },
  {
    title: "Log",
    about:
      "A log of all events that proves itself: nobody can change, remove or reorder one unseen ([reference](reference.md#a-log-that-proves-itself)). With `audit:log: vault`, bootstrap must have the same settings ([reference](reference.md#vault)).",
    keys: log,
    choices: [logSigner],
  },
  {
    title: "Database",
    about:
      "PostgreSQL, as the VM and as this program reach it. With `audit:databaseCredentials: dynamic`, Vault reaches it too, and bootstrap must have the same settings ([reference](reference.md#vault)).",
    keys: database,
    choices: [credentials],
  },
  {
    title: "Vault",
    about:
      "Where the secrets are, and how the program and the agents on the VM reach them. `audit:vaultMount` must differ from `audit:tlsPkiMount` with `audit:tls: vault`, and from `database` with `audit:databaseCredentials: dynamic`.",
    keys: vault,
  },
  {
    title: "Edge",
    about:
      "Nginx, the only way in: its ports, TLS, limits and addresses. With TLS, `audit:serviceUrl` begins with `https://` and `audit:edgePort` only redirects. The ports must differ from each other.",
    keys: edge,
    choices: [certificate],
  },
  {
    title: "Monitoring",
    about:
      "The existing Prometheus and Grafana. For the data source in Grafana set exactly one of `audit:grafanaDataSource`, which names one that exists, and `audit:grafanaPrometheusUrl`, which has one made.",
    keys: monitoring,
    choices: [discovery, alerting],
  },
];

/** One entry a key of the stack's configuration. */
export const schema = z.strictObject({
  ...platform,
  ...host,
  ...network,
  ...kubernetes,
  ...trust,
  ...service,
  ...log,
  ...database,
  ...vault,
  ...edge,
  ...monitoring,
});

/** Every setting by its key, validated: ports are numbers, lists are arrays, an absent option is undefined. */
export type Values = z.output<typeof schema>;
