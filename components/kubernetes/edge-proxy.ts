import { Deployment } from "@pulumi/kubernetes/apps/v1";
import { ConfigMap, Service } from "@pulumi/kubernetes/core/v1";
import { PodDisruptionBudget } from "@pulumi/kubernetes/policy/v1";
import * as pulumi from "@pulumi/pulumi";
import { argumentName } from "../../lib/argument-names";
import { EDGE_JOB } from "../../dashboards/metrics";
import { digestOf } from "../../lib/digest";
import { heldUntil } from "../../lib/held";
import { bareHost } from "../../lib/network-address";
import { renderNginxConfig } from "../../nginx/render";
import { AGENT_METRICS } from "../../vault-agent/render";
import type { CertificateSource } from "../edge/edge-certificate";
import type { AuditService } from "./audit-service";
import type { Cluster } from "./cluster";
import { EdgeCertificate } from "./edge-certificate";
import { CLOSING_FILE, CLOSING_SECONDS, exporter, nginx, NGINX_UID, TARGETS, targets, way } from "./edge-pod";
import type { VaultForPods } from "./kubernetes-login";
import { agentMetrics, fromPrometheus, monitor, type ScrapedPort } from "./pod-monitor";
import { inMemory, labelsOf, leaveLostNodes, onEachNode, podByPod, podDefaults, podsOf } from "./pods";
import {
  AGENT_PORT,
  CERTIFICATE_PORT,
  EXPORTER_PORT,
  LISTEN_PORT,
  METRICS_PORT,
  SERVICE_PORT,
  STATUS_PORT,
  TLS_PORT,
} from "./ports";
import { peers, requireRanges, to, type Destination } from "./reach";
import { NOT_AWAITED, rollout } from "./rollout";
import { clusterScript, clusterScriptText } from "./script";
import { configOf, type ClientRules } from "../edge/client-rules";

/** How long nginx uses a connection to the service at the most: `PAUSE` of audit-service.ts counts on it. */
const KEEP_ALIVE = "3s";
/** Seconds that it then has for what it is still answering. */
const DRAIN = 40;
/** Label of a pod that names its configuration. */
const CONFIGURATION = "audit/configuration";

export interface EdgeProxyArgs extends ClientRules {
  cluster: Cluster;
  /** Nginx and nginx-prometheus-exporter by digest. */
  images: { nginx: string; exporter: string };
  /** The service behind it. */
  service: Pick<AuditService, "upstream">;
  /** Pods of nginx; default 2. */
  replicas?: number;
  /** How clients reach it: by an address of the cluster's balancer, or by ports of the nodes that run it. */
  exposure: "loadBalancer" | "nodePort";
  /** Seconds that the cluster's balancer has for its address; default 300. */
  addressDeadline?: number;
  /** Ports of that; the one for TLS is used with a certificate only. */
  listen: { port: number; tlsPort: number; metricsPort: number };
  /** Annotations of the Service, for the cluster's balancer; default none. */
  annotations?: Readonly<Record<string, string>>;
  /** Address ranges of clients; default everybody. */
  clients?: readonly string[];
  /**
   * Where its certificate comes from. With one the edge speaks TLS and HTTP/2, and plain HTTP only redirects. Default:
   * plain HTTP.
   */
  certificate?: CertificateSource;
  /** Needed for a certificate from it. */
  vault?: VaultForPods;
  /** Where pods reach Vault. */
  reach: { vault: Destination };
  /**
   * The metrics listener as Prometheus reaches it, host:port, and the name of this installation: both stand in the list
   * of targets.
   */
  metricsAddress: string;
  environment: string;
}

/**
 * Nginx as the only way in: pods of it on several nodes, and a Service that keeps the clients' addresses. Routes are an
 * allow-list. Its configuration is part of its pods, so another one replaces them, one new pod before an old one ends;
 * a configuration that nginx refuses never serves.
 *
 * @example
 * const edge = new EdgeProxy("audit-edge", {
 *   ...{ cluster, service, routes: ROUTES, exposure: "loadBalancer", reach },
 *   images: { nginx: "registry/nginx@sha256:...", exporter: "registry/nginx-prometheus-exporter@sha256:..." },
 *   listen: { port: 80, tlsPort: 443, metricsPort: 9145 },
 *   metricsAllow: ["10.0.0.9"],
 *   metricsAddress: "audit.example.com:9145",
 *   environment: "cluster",
 *   publicUrl: "https://audit.example.com",
 * });
 * export const url = edge.url;
 */
export class EdgeProxy extends pulumi.ComponentResource {
  readonly url: pulumi.Output<string>;
  /** The edge itself lists what is to be scraped, and serves the list at this path. */
  readonly targets: { path: string };
  /** Names of what the metrics listener serves at `/metrics/<name>` besides the pods. */
  readonly otherMetrics: readonly string[];

  constructor(name: string, args: EdgeProxyArgs, opts?: pulumi.ComponentResourceOptions) {
    requireRanges(args.reach);
    super("audit:index:EdgeProxy", name, {}, opts);
    const { cluster } = args;
    const certificate = this.#createCertificate(name, args);
    this.targets = { path: TARGETS.path };
    this.otherMetrics = certificate ? ["certificate"] : [];

    this.#createTraffic(name, args);
    const configuration = this.#createConfiguration(name, args, certificate);
    const service = this.#createServices(name, args);
    const deployment = this.#createDeployment(name, args, { certificate, configuration });
    new PodDisruptionBudget(name, { metadata: cluster.metadata(name), spec: podByPod(name) }, cluster.in(this));
    monitor(cluster, name, scraped(args), { parent: this });
    const done = rollout(
      `${name}-rollout`,
      {
        ...{ cluster, deployment, workload: name, deadline: 120 },
        revision: { label: CONFIGURATION, value: configuration.digest },
      },
      { parent: this },
    );
    const reachable = this.#waitForAddress(name, args, service);
    this.url = heldUntil([done, ...reachable], args.publicUrl);
    this.registerOutputs({ url: this.url });
  }

  #createCertificate(name: string, args: EdgeProxyArgs): EdgeCertificate | undefined {
    const { cluster, vault, certificate, publicUrl } = args;
    if (certificate === undefined) return undefined;
    const serverName = bareHost(new URL(publicUrl).hostname);
    return new EdgeCertificate(
      `${name}-certificate`,
      name,
      { cluster, vault, source: certificate, serverName, gid: NGINX_UID },
      { parent: this },
    );
  }

  /** Clients and Prometheus may come in; the way out is to the service, and to what reports on all of the pods. */
  #createTraffic(name: string, args: EdgeProxyArgs): void {
    const { cluster, certificate, reach, service } = args;
    const tcp = (...ports: number[]) => ports.map((port) => ({ protocol: "TCP", port }));
    const clients = args.clients ?? [];
    const itself = [{ podSelector: podsOf(name) }];
    const reports = tcp(EXPORTER_PORT, ...(certificate?.by === "vault" ? [AGENT_PORT] : []));
    cluster.allow(
      name,
      {
        ingress: [
          {
            ...(clients.length === 0 ? {} : { from: peers(clients) }),
            ports: tcp(LISTEN_PORT, ...(certificate ? [TLS_PORT] : [])),
          },
          // To a network policy an empty list is everybody.
          ...(args.metricsAllow.length === 0 ? [] : [{ from: peers(args.metricsAllow), ports: tcp(METRICS_PORT) }]),
          { from: itself, ports: reports },
          ...fromPrometheus(cluster, scraped(args)),
        ],
        egress: [
          { to: [{ podSelector: podsOf(service.upstream.service) }], ports: tcp(SERVICE_PORT, AGENT_PORT) },
          { to: itself, ports: reports },
          ...(certificate?.by === "vault" ? [to(reach.vault)] : []),
        ],
      },
      { parent: this },
    );
  }

  /** nginx.conf and the scripts beside it; changed ones are another ConfigMap. */
  #createConfiguration(name: string, args: EdgeProxyArgs, certificate: EdgeCertificate | undefined) {
    const { cluster, service } = args;
    const server = { address: service.upstream.service, port: SERVICE_PORT };
    const text = renderNginxConfig({
      port: LISTEN_PORT,
      metricsPort: METRICS_PORT,
      status: { address: "127.0.0.1", port: STATUS_PORT, reader: "127.0.0.1" },
      // Twice the same: a pod that does not answer at all is followed by another, which the cluster chooses.
      upstreams: [{ name: "service", servers: [server, server] }],
      keepAliveTime: KEEP_ALIVE,
      closingFile: CLOSING_FILE,
      ...configOf(args, certificate && { port: TLS_PORT, certificate: certificate.certificate }),
      metricsPods: [
        { path: "/metrics/service", port: SERVICE_PORT },
        { path: "/metrics/nginx", port: EXPORTER_PORT },
        { path: "/metrics/agent", port: AGENT_PORT, upstream: `${AGENT_METRICS.path}?format=${AGENT_METRICS.format}` },
      ],
      metricsFiles: certificate ? [{ name: "certificate", file: certificate.metrics }] : [],
      metricsFilesPort: certificatePort(args),
      targets: { path: TARGETS.path, file: TARGETS.file },
    });
    const data = {
      "nginx.conf": text,
      "drain-nginx.sh": clusterScriptText("drain-nginx.sh"),
      "targets.sh": clusterScriptText("targets.sh"),
      "wait-service.sh": clusterScriptText("wait-service.sh"),
    };
    const digest = digestOf(data).slice(0, 12);
    const written = new ConfigMap(
      `${name}-config`,
      { metadata: cluster.unnamed(name), immutable: true, data },
      cluster.in(this),
    );
    return { digest, written };
  }

  /**
   * The way in, which keeps the clients' addresses: a node hands on to its own pods alone. And a name that lists all
   * pods.
   */
  #createServices(name: string, args: EdgeProxyArgs): Service {
    const { cluster, listen, exposure, certificate, annotations } = args;
    const nodePort = exposure === "nodePort";
    const port = (called: string, number: number, targetPort: number) => ({
      ...{ name: called, targetPort },
      ...(nodePort ? { port: targetPort, nodePort: number } : { port: number }),
    });
    const selector = podsOf(name).matchLabels;
    new Service(
      `${name}-pods`,
      {
        metadata: { ...cluster.metadata(`${name}-pods`, name), annotations: NOT_AWAITED },
        spec: {
          clusterIP: "None",
          publishNotReadyAddresses: true,
          selector,
          ports: [{ name: "exporter", port: EXPORTER_PORT }],
        },
      },
      cluster.in(this),
    );
    return new Service(
      name,
      {
        metadata: { ...cluster.metadata(name), annotations: { ...annotations, ...NOT_AWAITED } },
        spec: {
          type: nodePort ? "NodePort" : "LoadBalancer",
          externalTrafficPolicy: "Local",
          selector,
          ports: [
            port("http", listen.port, LISTEN_PORT),
            ...(certificate ? [port("https", listen.tlsPort, TLS_PORT)] : []),
            port("metrics", listen.metricsPort, METRICS_PORT),
          ],
        },
      },
      cluster.in(this),
    );
  }

  /** A balancer's address may take minutes, and on a cluster that has no balancer it never comes. */
  #waitForAddress(name: string, args: EdgeProxyArgs, service: Service): pulumi.CustomResource[] {
    const { cluster, exposure, addressDeadline = 300 } = args;
    if (exposure === "nodePort") return [];
    const script = clusterScript("wait-address.sh", [name, addressDeadline, ...cluster.kubectl], {
      SETTING: argumentName("EdgeProxy: exposure"),
      DEADLINE: argumentName("EdgeProxy: addressDeadline"),
    });
    return [
      cluster.step(`${name}-address`, { script, triggers: [service.id] }, { parent: this, dependsOn: [service] }),
    ];
  }

  #createDeployment(
    name: string,
    args: EdgeProxyArgs,
    given: {
      certificate: EdgeCertificate | undefined;
      configuration: { digest: string; written: ConfigMap };
    },
  ): Deployment {
    const { cluster, replicas = 2 } = args;
    const { configuration, certificate } = given;
    const secure = certificate?.pod;
    return new Deployment(
      name,
      {
        metadata: { ...cluster.metadata(name), annotations: NOT_AWAITED },
        spec: {
          replicas,
          selector: podsOf(name),
          // All at once: where clients know nodes by their addresses, no node is to be without one for long.
          strategy: { type: "RollingUpdate", rollingUpdate: { maxSurge: "100%", maxUnavailable: 0 } },
          progressDeadlineSeconds: 120,
          revisionHistoryLimit: 3,
          template: {
            metadata: { labels: { ...labelsOf(name), [CONFIGURATION]: configuration.digest } },
            spec: {
              ...podDefaults(cluster.pullSecrets),
              // Always said: Kubernetes keeps a former one under a second name of this field, when it is only left out,
              // and takes no new pod once that is gone.
              serviceAccountName: secure?.serviceAccountName ?? "default",
              securityContext: { fsGroup: NGINX_UID },
              // Clients of nodes' ports ask each node, and a node hands on to its own pods alone. A Service that
              // asks for a balancer keeps these ports meanwhile. So the pods are spread alike for both, or the change would
              // replace them.
              topologySpreadConstraints: onEachNode(name),
              tolerations: leaveLostNodes,
              terminationGracePeriodSeconds: CLOSING_SECONDS + DRAIN + 5,
              initContainers: [way(cluster.tools, args.service.upstream.service), ...(secure?.sidecars ?? [])],
              containers: [
                nginx(args.images.nginx, secure, certificatePort(args)),
                exporter(args.images.exporter),
                targets({
                  ...{ tools: cluster.tools, metricsAddress: args.metricsAddress, environment: args.environment },
                  ...{ pods: { service: args.service.upstream.pods, edge: `${name}-pods` }, others: this.otherMetrics },
                  agents: args.certificate?.by === "vault",
                }),
              ],
              volumes: [
                { name: "config", configMap: { name: configuration.written.metadata.name } },
                inMemory("tmp", 64),
                inMemory("targets", 1),
                inMemory("targets-tmp", 1),
                ...(secure?.volumes ?? []),
              ],
            },
          },
        },
      },
      cluster.in(this, [configuration.written, ...(secure?.dependsOn ?? [])]),
    );
  }
}

/**
 * Where a Prometheus inside the cluster finds the certificate's expiry; the metrics listener knows its readers by their
 * addresses.
 */
const certificatePort = ({ cluster, certificate }: EdgeProxyArgs) =>
  cluster.podMonitors && certificate && CERTIFICATE_PORT;

/** What it scrapes of each pod. */
function scraped({ certificate }: EdgeProxyArgs): ScrapedPort[] {
  const of = { instance: "nginx/", replica: "nginx-" };
  return [
    { ...of, port: EXPORTER_PORT, name: "exporter", job: EDGE_JOB },
    ...(certificate === undefined
      ? []
      : [
          {
            ...{ port: CERTIFICATE_PORT, name: "certificate", job: "audit-certificate", path: "/metrics/certificate" },
            ...{ ...of, instance: "certificate/" },
          },
        ]),
    ...(certificate?.by === "vault" ? [agentMetrics(of.replica)] : []),
  ];
}
