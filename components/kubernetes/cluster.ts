import type * as command from "@pulumi/command";
import { Namespace, Secret } from "@pulumi/kubernetes/core/v1";
import { NetworkPolicy } from "@pulumi/kubernetes/networking/v1";
import { Provider } from "@pulumi/kubernetes/provider";
import type { input } from "@pulumi/kubernetes/types";
import * as pulumi from "@pulumi/pulumi";
import { argumentName } from "../../lib/argument-names";
import { hostScript, type ScriptArgs, type ScriptOptions } from "../vm/host-script";
import { labelsOf, OWNER, POD_SECURITY, podDefaults, podsOf, resources, restricted } from "./pods";
import { clusterScript, clusterScriptWords } from "./script";

export interface ClusterArgs {
  /** Context of the kubeconfig, which KUBECONFIG names. */
  context: string;
  /** Namespace that is made. */
  namespace: string;
  /** Image with `sh` and `wget`. */
  tools: string;
  /** Login for pulling images; default anonymous. A new one is tried on `tools`, if that is in its registry. */
  registry?: { server: string; username: string; password: pulumi.Input<string> };
  /** Whether a cluster whose network does not enforce network policies is refused; default "require". */
  policyCheck?: "require" | "warn";
  /** A Prometheus inside the cluster that is to scrape the pods; default: there is none. */
  podMonitors?: PodMonitors;
}

/** A Prometheus inside the cluster that its operator sets up. */
export interface PodMonitors {
  /** Namespace that it runs in; its pods have the label `app.kubernetes.io/name: prometheus`, as the operator gives it. */
  namespace: string;
  /** Labels by which it chooses its PodMonitors; default none. */
  labels?: Readonly<Record<string, string>>;
  /** What its targets are called after: `host:port`, the beginning of each `instance`, and the name of this installation. */
  metricsAddress: string;
  environment: string;
}

/** A part of a network policy: who may come in, and where pods may go. */
export type Traffic = Pick<input.networking.v1.NetworkPolicySpec, "ingress" | "egress">;

/** Where DNS answers: the cluster's own, and the cache that some clusters have on each node. */
const DNS: input.networking.v1.NetworkPolicyPeer[] = [
  {
    namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": "kube-system" } },
    podSelector: { matchLabels: { "k8s-app": "kube-dns" } },
  },
  { ipBlock: { cidr: "169.254.20.10/32" } },
];

/** Pods of the trial whether network policies are enforced: the one is let out, the other is not. */
const TRIAL = { open: "audit-trial-open", closed: "audit-trial-closed" } as const;

/**
 * The cluster that everything runs on: its provider, and a namespace in which nothing may be privileged, and nothing
 * may be reached or reach anything unless a policy of a component says so.
 *
 * @example
 * const cluster = new Cluster("cluster", {
 *   context: "production",
 *   namespace: "audit",
 *   tools: "registry/vault@sha256:...",
 * });
 * cluster.allow("hello", { ingress: [{ ports: [{ port: 8080 }] }] }, { parent: cluster });
 */
export class Cluster extends pulumi.ComponentResource {
  readonly provider: Provider;
  readonly namespace: string;
  readonly tools: string;
  /** For `imagePullSecrets` of pods. */
  readonly pullSecrets: { name: string }[];
  /** The words of kubectl, as the scripts of a deploy run it. */
  readonly kubectl: readonly string[];
  readonly podMonitors: PodMonitors | undefined;
  /** Done once pods may be made: the namespace is there and closed. */
  readonly closed: pulumi.Resource[];

  constructor(name: string, args: ClusterArgs, opts?: pulumi.ComponentResourceOptions) {
    super("audit:index:Cluster", name, {}, opts);
    const { context, namespace, tools } = args;
    this.namespace = namespace;
    this.tools = tools;
    this.podMonitors = args.podMonitors;
    this.kubectl = ["kubectl", "--context", context, "--namespace", namespace];
    // Without an empty one the SDK takes KUBECONFIG's path into the state, which is another on each machine; the plugin
    // reads the variable.
    this.provider = new Provider(name, { kubeconfig: "", context, namespace }, { parent: this });
    const made = this.#createNamespace(name);
    this.pullSecrets = args.registry === undefined ? [] : [{ name: `${name}-pull` }];
    const pull = args.registry && this.#createPullSecret(`${name}-pull`, args.registry, made);
    const policies = [
      this.#policy(`${name}-closed`, { podSelector: {}, policyTypes: ["Ingress", "Egress"] }, made),
      this.#policy(
        `${name}-dns`,
        {
          podSelector: {},
          policyTypes: ["Egress"],
          egress: [
            {
              to: DNS,
              ports: [
                { protocol: "UDP", port: 53 },
                { protocol: "TCP", port: 53 },
              ],
            },
          ],
        },
        made,
      ),
      this.#policy(`${name}-trial`, { podSelector: podsOf(TRIAL.open), policyTypes: ["Egress"], egress: [{}] }, made),
    ];
    const there = [made, ...(pull === undefined ? [] : [pull])];
    this.closed = [
      ...there,
      ...policies,
      this.#createTrial(name, args.policyCheck ?? "require", pull, [...there, ...policies]),
    ];
    this.registerOutputs({});
  }

  /** Options of a resource in the namespace. */
  in(parent: pulumi.Resource, dependsOn: readonly pulumi.Resource[] = []): pulumi.CustomResourceOptions {
    return { parent, provider: this.provider, dependsOn: [...this.closed, ...dependsOn] };
  }

  /** Metadata of a resource in the namespace. */
  metadata(name: string, workload = name): input.meta.v1.ObjectMeta {
    return { name, namespace: this.namespace, labels: labelsOf(workload) };
  }

  /**
   * The same without a name, for what never changes, but has a successor: the engine gives each a name of its own. With
   * a name from the content, a deploy that goes back after a failed one would make what that one has replaced, and then
   * remove it.
   */
  unnamed(workload: string, labels: Readonly<Record<string, string>> = {}): input.meta.v1.ObjectMeta {
    return { namespace: this.namespace, labels: { ...labelsOf(workload), ...labels } };
  }

  /** Lets through what the pods of a workload need. */
  allow(workload: string, traffic: Traffic, opts: { parent: pulumi.Resource }): NetworkPolicy {
    const policyTypes = [...(traffic.ingress ? ["Ingress"] : []), ...(traffic.egress ? ["Egress"] : [])];
    return new NetworkPolicy(
      `${workload}-traffic`,
      { metadata: this.metadata(workload), spec: { podSelector: podsOf(workload), policyTypes, ...traffic } },
      this.in(opts.parent),
    );
  }

  /**
   * A script that runs on the machine that deploys, by kubectl, and is part of the stack: again when it changes, not
   * otherwise.
   */
  step(name: string, args: ScriptArgs, opts: ScriptOptions): command.local.Command {
    return hostScript(name, "sh -c", args, opts);
  }

  #createNamespace(name: string): Namespace {
    return new Namespace(
      `${name}-namespace`,
      {
        metadata: {
          name: this.namespace,
          labels: {
            "app.kubernetes.io/part-of": "audit",
            [OWNER]: pulumi.getStack(),
            [POD_SECURITY.label]: POD_SECURITY.level,
            "pod-security.kubernetes.io/warn": POD_SECURITY.level,
          },
        },
      },
      { parent: this, provider: this.provider },
    );
  }

  #createPullSecret(name: string, registry: NonNullable<ClusterArgs["registry"]>, made: Namespace): Secret {
    const { server, username } = registry;
    const config = pulumi.secret(registry.password).apply((password) => {
      const auth = Buffer.from(`${username}:${password}`).toString("base64");
      return JSON.stringify({ auths: { [server]: { auth } } });
    });
    return new Secret(
      name,
      {
        metadata: this.metadata(name),
        type: "kubernetes.io/dockerconfigjson",
        stringData: { ".dockerconfigjson": pulumi.secret(config) },
      },
      { parent: this, provider: this.provider, dependsOn: [made] },
    );
  }

  #policy(name: string, spec: input.networking.v1.NetworkPolicySpec, made: Namespace): NetworkPolicy {
    return new NetworkPolicy(
      name,
      { metadata: this.metadata(name), spec },
      { parent: this, provider: this.provider, dependsOn: [made] },
    );
  }

  /**
   * A network that lets everything through takes policies as well as one that enforces them, so it is tried. So is the
   * login for images: nodes that have an image ask nobody, and a wrong login would show when a pod has to go elsewhere.
   */
  #createTrial(
    name: string,
    check: "require" | "warn",
    pull: Secret | undefined,
    dependsOn: pulumi.Resource[],
  ): pulumi.Resource {
    const pod = (kind: keyof typeof TRIAL) => ({
      apiVersion: "v1",
      kind: "Pod",
      metadata: this.metadata(TRIAL[kind]),
      spec: {
        ...podDefaults(this.pullSecrets),
        restartPolicy: "Never",
        containers: [
          {
            name: "trial",
            image: this.tools,
            imagePullPolicy: "Always",
            command: clusterScriptWords("trial.sh", [kind]),
            securityContext: restricted(65534, 65534),
            resources: resources(32, 10),
          },
        ],
      },
    });
    return this.step(
      `${name}-policies-enforced`,
      {
        script: clusterScript("check-policies.sh", [TRIAL.open, TRIAL.closed, ...this.kubectl], {
          OPEN_POD: JSON.stringify(pod("open")),
          CLOSED_POD: JSON.stringify(pod("closed")),
          CHECK: check,
          SETTING: argumentName("Cluster: policyCheck"),
          LOGIN: argumentName("Cluster: registry"),
        }),
        triggers: pull && [pull.metadata.resourceVersion],
      },
      { parent: this, dependsOn },
    );
  }
}
