import { CustomResource } from "@pulumi/kubernetes/apiextensions";
import type { input } from "@pulumi/kubernetes/types";
import type * as pulumi from "@pulumi/pulumi";
import { AGENT_JOB, SERVICE_JOB } from "../../dashboards/metrics";
import { AGENT_METRICS } from "../../vault-agent/render";
import { AGENT } from "./agent-sidecar";
import type { Cluster, PodMonitors } from "./cluster";
import { labelsOf, podsOf } from "./pods";
import { AGENT_PORT } from "./ports";
import { POD_MONITOR } from "./required";

/** One port of each pod of a workload, as scripts/targets.sh lists it. */
export interface ScrapedPort {
  /** Number, and name in the pod. */
  port: number;
  name: string;
  job: string;
  path?: string;
  /** Query parameter `format`; default none. */
  format?: string;
  /** What is before the pod's address in `instance`, and in `replica`; default nothing. */
  instance?: string;
  replica?: string;
  /** Label of a pod that names its release; default: it tells none. */
  release?: string;
}

/** Metrics of the Vault Agent in a pod. */
export const agentMetrics = (replica = ""): ScrapedPort => ({
  ...{ port: AGENT_PORT, name: AGENT, job: AGENT_JOB, instance: "agent/", replica },
  ...AGENT_METRICS,
});

/** Lets that Prometheus, if there is one, reach these ports. */
export function fromPrometheus(
  { podMonitors }: Cluster,
  ports: readonly ScrapedPort[],
): input.networking.v1.NetworkPolicyIngressRule[] {
  if (podMonitors === undefined) return [];
  return [
    {
      from: [
        {
          namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": podMonitors.namespace } },
          podSelector: podsOf("prometheus"),
        },
      ],
      ports: ports.map(({ port }) => ({ protocol: "TCP", port })),
    },
  ];
}

/**
 * Has that Prometheus, if there is one, scrape these ports of each pod of a workload, by the labels that targets.sh
 * gives: so dashboards and alerts are the same.
 */
export function monitor(
  cluster: Cluster,
  workload: string,
  ports: readonly ScrapedPort[],
  opts: { parent: pulumi.Resource },
): void {
  const { podMonitors } = cluster;
  if (podMonitors === undefined) return;
  new CustomResource(
    `${workload}-monitor`,
    {
      ...POD_MONITOR,
      metadata: { ...cluster.metadata(workload), labels: { ...podMonitors.labels, ...labelsOf(workload) } },
      spec: { selector: podsOf(workload), podMetricsEndpoints: ports.map((port) => endpoint(port, podMonitors)) },
    },
    cluster.in(opts.parent),
  );
}

function endpoint(scraped: ScrapedPort, { metricsAddress, environment }: PodMonitors): object {
  const { name, job, path = "/metrics", format, instance = "", replica = "", release } = scraped;
  const always = (targetLabel: string, replacement: string) => ({ targetLabel, replacement });
  const from = (source: string, targetLabel: string, before = "") => ({
    ...{ sourceLabels: [`__meta_kubernetes_pod_${source}`], targetLabel, replacement: `${before}$1` },
  });
  return {
    ...{ port: name, path },
    ...(format && { params: { format: [format] } }),
    // The alerts count on it; the operator's own choice is 30 s.
    interval: "10s",
    relabelings: [
      ...[always("job", job), always("application", SERVICE_JOB), always("environment", environment)],
      from("ip", "instance", `${metricsAddress}/${instance}`),
      from("ip", "replica", replica),
      ...(release === undefined ? [] : [from(`label_${release.replaceAll(/\W/g, "_")}`, "release")]),
    ],
  };
}
