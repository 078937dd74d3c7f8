import * as pulumi from "@pulumi/pulumi";
import { argumentName } from "../../lib/argument-names";
import { kubectl, KubectlMissing } from "../../lib/kubectl";
import { isLabelValue } from "../../lib/label";
import { UserError } from "../../lib/user-error";
import type { ClusterArgs } from "./cluster";
import { OWNER, POD_SECURITY } from "./pods";
import { isTooOld, OLDEST_VERSION, POD_MONITOR, type Version } from "./required";

interface NamespaceObject {
  metadata?: { labels?: Record<string, string>; deletionTimestamp?: string };
}

export interface CheckClusterArgs extends Pick<ClusterArgs, "context" | "namespace" | "podMonitors"> {
  /** Namespace that the last completed run left; undefined before the first. */
  formerNamespace?: string;
}

/**
 * Looks, before anything is changed, whether kubectl reaches the cluster, and whether that is new enough, is the one of
 * the last run and has what the arguments need. A preview without a login to the cluster skips the check.
 *
 * @throws UserError naming what is wrong, and the cure
 */
export async function checkCluster(args: CheckClusterArgs): Promise<void> {
  const { context, namespace, podMonitors, formerNamespace = namespace } = args;
  if (formerNamespace !== namespace)
    throw new UserError(
      `${argumentName("Cluster: namespace")} was ${formerNamespace} at the last deploy, and is ${namespace} now. What is deployed does not move to another namespace, and both cannot have the same ports: ` +
        `set it back to ${formerNamespace}, or make another stack. Nothing was changed.`,
    );
  const stack = pulumi.getStack();
  if (!isLabelValue(stack))
    throw new UserError(
      `The stack's name ${stack} cannot be the namespace's label ${OWNER}: that takes at most 63 letters, digits, "-", "_" and ".", and begins and ends with a letter or a digit. ` +
        "Give it another: pulumi stack rename. Nothing was changed.",
    );
  const [{ text, failure }, found] = await Promise.all([
    ask(context, ["version", "--output", "json"]),
    ask(context, ["get", "namespace", namespace, "--ignore-not-found", "--output", "json"]),
  ]);
  if (failure !== undefined) {
    if (!pulumi.runtime.isDryRun()) throw new UserError(`${failure} Nothing was changed.`);
    await pulumi.log.warn(`The cluster was not checked: ${failure}`);
    return;
  }
  const { serverVersion } = JSON.parse(text) as { serverVersion: Version };
  if (isTooOld(serverVersion))
    throw new UserError(
      `The cluster of ${argumentName("Cluster: context")} ${context} is Kubernetes ${serverVersion.gitVersion}; ${OLDEST_VERSION} or newer is needed, ` +
        "which has native sidecars and a pause before a container's end. Upgrade the cluster. Nothing was changed.",
    );
  checkNamespace(args, found);
  if (podMonitors !== undefined) await checkPodMonitors(context);
}

/**
 * Whether the namespace is this stack's, or nobody's. The engine would take over another's without a word, and
 * `pulumi destroy` would delete it. In a cluster without one that the state knows it would make nothing of what has not
 * changed.
 */
function checkNamespace({ context, namespace, formerNamespace }: CheckClusterArgs, { text, failure }: Answer): void {
  if (failure !== undefined) throw new UserError(`${failure} Nothing was changed.`);
  const stack = pulumi.getStack();
  const { label: security, level } = POD_SECURITY;
  const label = `kubectl --context ${context} label namespace ${namespace} ${OWNER}=${stack} ${security}=${level} --overwrite`;
  if (text.trim() === "") {
    if (formerNamespace === undefined) return;
    throw new UserError(
      `The namespace ${namespace}, which the last deploy left, is not in the cluster of ${argumentName("Cluster: context")} ${context}. If that is another cluster, set the context back: a stack stays in its cluster. ` +
        `If the namespace was lost, make it again and have the engine forget what was in it: kubectl --context ${context} create namespace ${namespace} && ${label} && pulumi refresh. Then deploy. Nothing was changed.`,
    );
  }
  const { labels = {}, deletionTimestamp } = (JSON.parse(text) as NamespaceObject).metadata ?? {};
  if (deletionTimestamp !== undefined)
    throw new UserError(
      `The namespace ${namespace} (${argumentName("Cluster: namespace")}) is being deleted. Wait until it is gone; its status says what keeps it: kubectl --context ${context} get namespace ${namespace} --output yaml. Then deploy again. Nothing was changed.`,
    );
  const { [OWNER]: owner } = labels;
  if (owner === stack && labels[security] === level) return;
  if (owner === stack)
    throw new UserError(
      `The namespace ${namespace} (${argumentName("Cluster: namespace")}) does not have the label ${security}=${level}, so a pod there could take over its node. ` +
        `An administrator of the cluster finds out who has removed it, and runs ${label}. Nothing was changed.`,
    );
  throw new UserError(
    `The namespace ${namespace} (${argumentName("Cluster: namespace")}) is there already, and ${owner === undefined ? "no stack of this program has made it" : `is that of the stack ${owner}`}. ` +
      `Choose another; or, if it is meant for this stack, which also deletes it when it is destroyed, an administrator of the cluster runs ${label}. Nothing was changed.`,
  );
}

/** Whether Prometheus' operator is there: without its kind the deploy would fail half-way. */
async function checkPodMonitors(context: string): Promise<void> {
  const { text = "{}", failure = "" } = await ask(context, ["get", "--raw", `/apis/${POD_MONITOR.apiVersion}`]);
  if (failure !== "" && !failure.includes("NotFound")) throw new UserError(`${failure} Nothing was changed.`);
  const { resources = [] } = JSON.parse(text) as { resources?: { kind: string }[] };
  if (resources.some(({ kind }) => kind === POD_MONITOR.kind)) return;
  throw new UserError(
    `The cluster of ${argumentName("Cluster: context")} ${context} has no PodMonitors (${POD_MONITOR.apiVersion}), which ${argumentName("Cluster: podMonitors")} podMonitor needs. ` +
      `Install the CustomResourceDefinitions of Prometheus' operator, or set ${argumentName("Cluster: podMonitors")} to http. Nothing was changed.`,
  );
}

/** What kubectl prints, or why it does not. */
type Answer = { text: string; failure?: undefined } | { text?: undefined; failure: string };

function ask(context: string, args: readonly string[]): Promise<Answer> {
  return kubectl(context, args).then(
    (text) => ({ text }),
    (error: Error) => ({ failure: failureOf(context, error) }),
  );
}

function failureOf(context: string, error: Error): string {
  if (error instanceof KubectlMissing) return error.message;
  const login = `${argumentName("Cluster: context")} ${context}`;
  if (/\(Forbidden\)|forbidden:/.test(error.message))
    return `The login of ${login} may not do what a deploy does: ${error.message}. An administrator of the cluster applies bootstrap/kubernetes.yaml for this stack's namespace.`;
  return `The cluster of ${login} cannot be reached: ${error.message} (KUBECONFIG names the file with the context).`;
}
