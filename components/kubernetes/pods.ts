import type { input } from "@pulumi/kubernetes/types";

/** Label of the namespace that names the stack it belongs to. */
export const OWNER = "audit/stack";

/** Label of the namespace with what pods may do there at the most, and its value here. */
export const POD_SECURITY = { label: "pod-security.kubernetes.io/enforce", level: "restricted" } as const;

/** Label by which a workload's pods are known, to Services and to network policies. */
const NAME = "app.kubernetes.io/name";

/** Labels of everything that belongs to a workload. */
export const labelsOf = (name: string): Record<string, string> => ({
  [NAME]: name,
  "app.kubernetes.io/part-of": "audit",
});

/** What chooses a workload's pods. */
export const podsOf = (name: string): { matchLabels: Record<string, string> } => ({ matchLabels: { [NAME]: name } });

/** What a container may do under the level `restricted` of Pod Security: nothing that its program does not need. */
export const restricted = (uid: number, gid: number): input.core.v1.SecurityContext => ({
  runAsUser: uid,
  runAsGroup: gid,
  runAsNonRoot: true,
  readOnlyRootFilesystem: true,
  allowPrivilegeEscalation: false,
  capabilities: { drop: ["ALL"] },
  seccompProfile: { type: "RuntimeDefault" },
});

/** What every pod here has in common. */
export const podDefaults = (pullSecrets: input.core.v1.LocalObjectReference[]) => ({
  imagePullSecrets: pullSecrets,
  // Nothing here asks the cluster's API, and nothing finds others by variables of the environment.
  automountServiceAccountToken: false,
  enableServiceLinks: false,
});

/**
 * Pods of one workload and one revision on as many nodes as have room, and never all of them on one where another could
 * take one. A node that takes no pods is not counted: one that is drained or lost would otherwise keep its successors
 * from being placed.
 */
export const spread = (name: string, replicas: number): input.core.v1.TopologySpreadConstraint[] => [
  spreadWithin(name, 1, "ScheduleAnyway"),
  spreadWithin(name, Math.max(1, replicas - 1), "DoNotSchedule"),
];

/** The same where each node is to have one: a pod waits for room on a full node, even if another has more. */
export const onEachNode = (name: string): input.core.v1.TopologySpreadConstraint[] => [
  spreadWithin(name, 1, "DoNotSchedule"),
];

/** @param maxSkew how many pods more than another a node may have */
const spreadWithin = (name: string, maxSkew: number, whenUnsatisfiable: "ScheduleAnyway" | "DoNotSchedule") => ({
  topologyKey: "kubernetes.io/hostname",
  ...{ maxSkew, whenUnsatisfiable },
  labelSelector: podsOf(name),
  matchLabelKeys: ["pod-template-hash"],
  nodeTaintsPolicy: "Honor",
});

/**
 * Lets a node be emptied pod by pod, also of the only one there is; those that are not ready go at any time, or a
 * service that is broken anyway would keep the node for ever.
 */
export const podByPod = (name: string): input.policy.v1.PodDisruptionBudgetSpec => ({
  maxUnavailable: 1,
  unhealthyPodEvictionPolicy: "AlwaysAllow",
  selector: podsOf(name),
});

/**
 * Seconds that a pod stays on a node that the cluster has lost before another is made; the cluster's own choice is five
 * minutes.
 */
const LOST = 20;

/** Has pods leave a lost node soon: they keep nothing that another could not have. */
export const leaveLostNodes: input.core.v1.Toleration[] = ["not-ready", "unreachable"].map((what) => ({
  key: `node.kubernetes.io/${what}`,
  operator: "Exists",
  effect: "NoExecute",
  tolerationSeconds: LOST,
}));

/** A directory in memory, of so many MiB at the most. */
export const inMemory = (name: string, mebibytes: number): input.core.v1.Volume => ({
  name,
  emptyDir: { medium: "Memory", sizeLimit: `${mebibytes}Mi` },
});

/**
 * Memory is reserved as it is limited, or a node in need would end the pod; processor time may be had beyond what is
 * reserved.
 */
export const resources = (memory: number, cpu: number): input.core.v1.ResourceRequirements => ({
  requests: { cpu: `${cpu}m`, memory: `${memory}Mi` },
  limits: { memory: `${memory}Mi` },
});
