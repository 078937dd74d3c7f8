import type * as pulumi from "@pulumi/pulumi";
import { argumentName } from "../../lib/argument-names";
import type { Deployment } from "@pulumi/kubernetes/apps/v1";
import type { Cluster } from "./cluster";
import { clusterScript } from "./script";

export interface RolloutArgs {
  cluster: Cluster;
  deployment: Deployment;
  /** Name of the Deployment, and the label that its new pods alone have. */
  workload: string;
  revision: { label: string; value: string };
  /** Seconds that each new pod has until it must be ready. */
  deadline: number;
}

/**
 * Annotation by which the provider does not wait for a Deployment or Service itself: {@link rollout} does, and says
 * with the pods' own words why it waits in vain.
 */
export const NOT_AWAITED = { "pulumi.com/skipAwait": "true" };

/**
 * Done once all pods of a Deployment are new and ready. What served before serves until then, and goes on where this
 * fails.
 */
export function rollout(name: string, args: RolloutArgs, opts: { parent: pulumi.Resource }): pulumi.CustomResource {
  const { cluster, deployment, workload, revision, deadline } = args;
  return cluster.step(
    name,
    {
      script: clusterScript(
        "rollout.sh",
        [
          ...[workload, `app.kubernetes.io/name=${workload},${revision.label}=${revision.value}`, deadline],
          ...cluster.kubectl,
        ],
        { SETTING: argumentName("Cluster: registry") },
      ),
      // Also when what somebody has changed or removed by hand is put right: its spec is then the same as before.
      triggers: [deployment.metadata.uid, deployment.metadata.generation],
    },
    { parent: opts.parent, dependsOn: [deployment] },
  );
}
