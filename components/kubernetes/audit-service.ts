import type * as command from "@pulumi/command";
import { Deployment } from "@pulumi/kubernetes/apps/v1";
import { HorizontalPodAutoscaler } from "@pulumi/kubernetes/autoscaling/v2";
import { Service } from "@pulumi/kubernetes/core/v1";
import { NetworkPolicy } from "@pulumi/kubernetes/networking/v1";
import { PodDisruptionBudget } from "@pulumi/kubernetes/policy/v1";
import * as pulumi from "@pulumi/pulumi";
import { digestOf } from "../../lib/digest";
import { heldUntil } from "../../lib/held";
import type { ReleaseState } from "../../lib/release-state";
import { SERVICE_JOB } from "../../dashboards/metrics";
import type { Database } from "../database/database";
import { completeSpec, placeRelease, type Placement, type ReplicaSpec } from "../release/release";
import { schemaVersionIn } from "../release/schema-version";
import type { AccessTokens } from "../secrets/access-tokens";
import type { Cluster } from "./cluster";
import { agentMetrics, fromPrometheus, monitor, type ScrapedPort } from "./pod-monitor";
import { labelsOf, leaveLostNodes, podByPod, podDefaults, podsOf, resources, restricted, spread } from "./pods";
import { ADMIN_PORT, AGENT_PORT, SERVICE_PORT } from "./ports";
import { requireRanges, to, type Destination } from "./reach";
import { NOT_AWAITED, rollout } from "./rollout";
import { clusterScript } from "./script";
import type { SecretsBinding } from "./secrets-binding";

/** Labels of a pod that name its release, and where it may go. */
const RELEASE = "audit/release";
const WAY_OUT = "audit/way-out";

/** What Prometheus scrapes of each pod. */
const SCRAPED: readonly ScrapedPort[] = [
  { port: SERVICE_PORT, name: "http", job: SERVICE_JOB, release: RELEASE },
  agentMetrics(),
];

/**
 * Seconds between a pod's removal from the Service and its SIGTERM. Nginx must have no connection to it any more: the
 * nodes learn of the removal within two, and a connection that is kept alive lasts three and four more (KEEP_ALIVE in
 * edge-proxy.ts).
 */
const PAUSE = 12;
/** Seconds that the service then has to finish what it accepted; its own limit is 25. */
const DRAIN = 30;

export interface AuditServiceArgs {
  cluster: Cluster;
  /** The release that is wanted. */
  spec: ReplicaSpec;
  /** State as the last run left it ({@link AuditService.state}); undefined at the first. */
  previous: ReleaseState | undefined;
  /** Seconds that a pod of a new release has until it must be ready; default 60. */
  readyDeadline?: number;
  /** Thousandths of a core that are reserved for a pod; default 250. */
  cpuRequest?: number;
  /**
   * Most pods, and the use of what is reserved that the autoscaler aims at, per cent; default: as many as `spec` says,
   * always.
   */
  autoscale?: { max: number; cpu: number };
  /**
   * Its owner runs `migrate` before a release starts; its former login is locked once every pod works with the new one.
   */
  database: Database;
  /** The service's clients get theirs once every pod knows them. */
  tokens: AccessTokens;
  /** Renders the configuration in the pods. */
  secrets: SecretsBinding;
  /** Where pods reach the database and Vault. */
  reach: { database: Destination; vault: Destination };
  /** Name of the pods that may ask the service: the edge's. */
  behind: string;
  /** Seconds after which a migration that has not ended is stopped and the deploy fails; default 900. */
  migrateDeadline?: number;
}

/**
 * The service as a Deployment: migration first, then pod by pod, the new one before the old one goes. A new pod gets
 * requests once it can store events and works with the configuration and the schema of this deploy. At last the login
 * to the database that was used before is locked, and the clients find their newest tokens.
 *
 * @example
 * const service = new AuditService("audit-svc", {
 *   ...{ cluster, database, tokens, secrets, behind: "audit-edge" },
 *   spec: { image: "registry/audit-svc@sha256:...", replicas: 3 },
 *   previous: last.releases,
 *   reach: { database: { ranges: ["10.0.0.5/32"], port: 5432 }, vault: { ranges: ["10.0.0.6/32"], port: 8200 } },
 * });
 * export const releases = service.state;
 */
export class AuditService extends pulumi.ComponentResource {
  /** What serves, and what served before: `previous` of the next run. */
  readonly state: pulumi.Output<ReleaseState>;
  /** Identifier of the release and its image by digest, once it serves. */
  readonly release: pulumi.Output<string>;
  readonly image: pulumi.Output<string>;
  /** How many pods serve at the least once this run has succeeded, and their release, as they are scraped. */
  readonly serving: { release: string; pods: number };
  /** Done once the release serves. */
  readonly promoted: pulumi.Resource;
  /**
   * Names by which pods find the service: the one that shares requests among those that are ready, and the one that
   * lists all.
   */
  readonly upstream: { service: string; pods: string };
  /** Version of the login to the database, once no other works. */
  readonly databasePasswordVersion: pulumi.Output<number>;
  /** Version of each token that its holder finds in Vault, once it is there. */
  readonly tokenVersions: pulumi.Output<Record<string, number>>;

  constructor(name: string, args: AuditServiceArgs, opts?: pulumi.ComponentResourceOptions) {
    requireRanges(args.reach);
    super("audit:index:AuditService", name, {}, opts);
    const { cluster, database, secrets } = args;
    const placement = placeRelease(args.spec, args.previous);
    const { wanted } = placement;

    this.upstream = { service: name, pods: `${name}-pods` };
    this.#createServices(name, args);
    const wayOut = this.#createTraffic(name, args);
    this.#createLimits(name, args, placement);
    const migrated = this.#migrate(name, args);
    const deployment = this.#createDeployment(name, args, placement, { migrated, wayOut });
    monitor(cluster, name, SCRAPED, { parent: this });
    const done = rollout(
      `${name}-rollout`,
      {
        ...{ cluster, deployment, workload: name, deadline: args.readyDeadline ?? 60 },
        revision: { label: RELEASE, value: wanted.release },
      },
      { parent: this },
    );
    const confirmed = secrets.confirmation(name, { parent: this, dependsOn: [done] });
    this.databasePasswordVersion = database.lockFormerLogin([confirmed]);
    this.tokenVersions = args.tokens.handOut([confirmed]);

    this.serving = { release: wanted.release, pods: wanted.replicas };
    this.promoted = done;
    this.state = heldUntil([done], placement.next);
    this.release = heldUntil([done], wanted.release);
    this.image = heldUntil([done], wanted.image);
    this.registerOutputs({ state: this.state, release: this.release, image: this.image });
  }

  /**
   * One address that shares requests among the pods that are ready, and one name that lists them all, for those who ask
   * each of them.
   */
  #createServices(name: string, { cluster }: AuditServiceArgs): void {
    const selector = podsOf(name).matchLabels;
    const ports = [{ name: "http", port: SERVICE_PORT, targetPort: SERVICE_PORT }];
    const metadata = (service: string) => ({ ...cluster.metadata(service, name), annotations: NOT_AWAITED });
    new Service(
      name,
      { metadata: metadata(this.upstream.service), spec: { type: "ClusterIP", selector, ports } },
      cluster.in(this),
    );
    new Service(
      this.upstream.pods,
      {
        metadata: metadata(this.upstream.pods),
        spec: { clusterIP: "None", publishNotReadyAddresses: true, selector, ports },
      },
      cluster.in(this),
    );
  }

  /**
   * The edge may come in, and a Prometheus inside the cluster; the way out is to the database and to Vault.
   *
   * @returns what a pod must have for the way out. Another one is only that of new pods, which show whether it leads
   * there; those that serve keep theirs until then (docs/decisions/0199).
   */
  #createTraffic(name: string, { cluster, reach, behind }: AuditServiceArgs) {
    cluster.allow(
      name,
      {
        ingress: [
          {
            from: [{ podSelector: podsOf(behind) }],
            ports: [SERVICE_PORT, AGENT_PORT].map((port) => ({ protocol: "TCP", port })),
          },
          ...fromPrometheus(cluster, SCRAPED),
        ],
      },
      { parent: this },
    );
    cluster.allow(`${name}-migrate`, { egress: [to(reach.database)] }, { parent: this });
    const egress = [to(reach.database), to(reach.vault)];
    const labels = { [WAY_OUT]: digestOf(egress).slice(0, 12) };
    const policy = new NetworkPolicy(
      `${name}-way-out`,
      {
        metadata: cluster.unnamed(name),
        spec: {
          podSelector: { matchLabels: { ...podsOf(name).matchLabels, ...labels } },
          policyTypes: ["Egress"],
          egress,
        },
      },
      { ...cluster.in(this), replaceOnChanges: ["spec"] },
    );
    return { labels, policy };
  }

  /**
   * How many pods there are: no fewer than one below the wanted number while a node is emptied, and more under load.
   */
  #createLimits(name: string, { cluster, autoscale }: AuditServiceArgs, { wanted }: Placement): void {
    new PodDisruptionBudget(name, { metadata: cluster.metadata(name), spec: podByPod(name) }, cluster.in(this));
    if (autoscale === undefined) return;
    new HorizontalPodAutoscaler(
      name,
      {
        metadata: { ...cluster.metadata(name), annotations: NOT_AWAITED },
        spec: {
          scaleTargetRef: { apiVersion: "apps/v1", kind: "Deployment", name },
          minReplicas: wanted.replicas,
          maxReplicas: autoscale.max,
          metrics: [
            {
              // Of the service's container alone: the agent beside it is idle most of the time.
              type: "ContainerResource",
              containerResource: {
                container: "service",
                name: "cpu",
                target: { type: "Utilization", averageUtilization: autoscale.cpu },
              },
            },
          ],
        },
      },
      cluster.in(this),
    );
  }

  #createDeployment(
    name: string,
    args: AuditServiceArgs,
    { wanted }: Placement,
    given: { migrated: command.local.Command; wayOut: { labels: Record<string, string>; policy: NetworkPolicy } },
  ): Deployment {
    const { cluster, secrets, autoscale, readyDeadline = 60 } = args;
    const { migrated, wayOut } = given;
    const bound = secrets.pod(migrated.stdout.apply(schemaVersionIn));
    return new Deployment(
      name,
      {
        metadata: {
          ...cluster.metadata(name),
          // The number of pods may be another's, by `kubectl scale` or an autoscaler that was there before: take it back.
          annotations: { ...NOT_AWAITED, ...(autoscale === undefined ? { "pulumi.com/patchForce": "true" } : {}) },
        },
        spec: {
          // The autoscaler's to say where there is one.
          ...(autoscale === undefined ? { replicas: wanted.replicas } : {}),
          selector: podsOf(name),
          strategy: { type: "RollingUpdate", rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } },
          progressDeadlineSeconds: readyDeadline,
          revisionHistoryLimit: 3,
          template: {
            metadata: { labels: { ...labelsOf(name), ...wayOut.labels, [RELEASE]: wanted.release } },
            spec: {
              ...podDefaults(cluster.pullSecrets),
              serviceAccountName: bound.serviceAccountName,
              securityContext: { fsGroup: groupOf(completeSpec(args.spec)) },
              topologySpreadConstraints: spread(name, wanted.replicas),
              tolerations: leaveLostNodes,
              terminationGracePeriodSeconds: PAUSE + DRAIN + 5,
              initContainers: [bound.sidecar],
              containers: [this.#container(args, wanted.release, bound)],
              volumes: bound.volumes,
            },
          },
        },
      },
      cluster.in(this, [migrated, wayOut.policy, ...bound.dependsOn]),
    );
  }

  #container({ spec, cpuRequest = 250 }: AuditServiceArgs, release: string, bound: ReturnType<SecretsBinding["pod"]>) {
    const { image, memory, environment, reloadOn, ...complete } = completeSpec(spec);
    const env = {
      AUDIT_CONFIG_FILE: bound.file,
      AUDIT_LISTEN: `0.0.0.0:${SERVICE_PORT}`,
      AUDIT_ADMIN_LISTEN: reloadOn === "admin" ? `127.0.0.1:${ADMIN_PORT}` : "off",
      AUDIT_RELEASE: release,
      ...environment,
    };
    const probe = (path: string, periodSeconds: number, failureThreshold: number) => ({
      ...{ httpGet: { path, port: SERVICE_PORT }, timeoutSeconds: 3, periodSeconds, failureThreshold },
    });
    return {
      name: "service",
      image,
      env: Object.entries(env).map(([key, value]) => ({ name: key, value })),
      ports: [{ name: "http", containerPort: SERVICE_PORT }],
      securityContext: restricted(userOf(complete), groupOf(complete)),
      resources: resources(memory, cpuRequest),
      readinessProbe: probe("/readyz", 2, 3),
      livenessProbe: probe("/healthz", 10, 6),
      lifecycle: { preStop: { sleep: { seconds: PAUSE } } },
      volumeMounts: [bound.mount],
    };
  }

  #migrate(name: string, args: AuditServiceArgs): command.local.Command {
    const { cluster, database, migrateDeadline: deadline = 900 } = args;
    const spec = completeSpec(args.spec);
    const job = `${name}-migrate`;
    const manifest = {
      apiVersion: "batch/v1",
      kind: "Job",
      // Each has a name of its own: a deploy that was killed and still runs follows its own Job, not this one.
      metadata: { ...cluster.unnamed(job), generateName: `${job}-` },
      spec: {
        backoffLimit: 0,
        // For one that a killed deploy leaves behind; the script itself stops it before.
        activeDeadlineSeconds: deadline + 60,
        template: {
          metadata: { labels: labelsOf(job) },
          spec: {
            ...podDefaults(cluster.pullSecrets),
            restartPolicy: "Never",
            containers: [
              {
                name: "migrate",
                image: spec.image,
                args: ["migrate"],
                // Read once: the owner's password is in no object of the cluster.
                ...{ stdin: true, stdinOnce: true },
                env: [{ name: "AUDIT_CONFIG_FILE", value: "/dev/stdin" }],
                securityContext: restricted(userOf(spec), groupOf(spec)),
                resources: resources(spec.memory, 50),
              },
            ],
          },
        },
      },
    };
    return cluster.step(
      job,
      {
        script: clusterScript("migrate.sh", [job, deadline, ...cluster.kubectl], {
          MANIFEST: JSON.stringify(manifest),
        }),
        stdin: pulumi.secret(
          pulumi
            .output({ database: database.ownerConnection, runtimeRole: database.runtimeRole, tokens: [] })
            .apply((config) => JSON.stringify(config)),
        ),
      },
      { parent: this, dependsOn: cluster.closed },
    );
  }
}

const userOf = ({ user }: { user: string }): number => Number(user.split(":")[0]);
const groupOf = ({ user }: { user: string }): number => Number(user.split(":")[1]);
