import { ConfigMap } from "@pulumi/kubernetes/core/v1";
import type { input } from "@pulumi/kubernetes/types";
import type * as pulumi from "@pulumi/pulumi";
import { basename } from "node:path";
import { AUTHORITY_FILE } from "../secrets/vault-agent";
import type { Cluster } from "./cluster";
import type { KubernetesLogin, VaultForPods } from "./kubernetes-login";
import { inMemory, resources, restricted } from "./pods";
import { AGENT_PORT } from "./ports";

/** Uid of Vault in the official image. */
export const VAULT_UID = 100;

/** Seconds that a pod waits for what its agent renders before the agent is started again. */
const RENDER_SECONDS = 120;

/** Name of the container, by which a deploy asks it, and of the port with its metrics. */
export const AGENT = "agent";

export interface AgentSidecarArgs {
  cluster: Cluster;
  vault: Pick<VaultForPods, "agentImage" | "authority">;
  login: KubernetesLogin;
  /** Numeric group of those who read what the agent renders. */
  gid: number;
  /** The agent's files in `/agent`: `agent.hcl`, its templates, and scripts. */
  files: Readonly<Record<string, string>>;
  /** File that it renders, by its path in the pod, and the volume that it is in. */
  rendered: { file: string; volume: string; directory: string };
  /** For the scripts. */
  environment?: Readonly<Record<string, string>>;
  /** Words of a command that says whether the pod may have requests; default: the agent has no say in it. */
  ready?: readonly string[];
}

export interface AgentSidecar {
  /** A native sidecar: the pod's containers start once it has rendered, and end before it does. */
  container: input.core.v1.Container;
  volumes: input.core.v1.Volume[];
  /** What must be there before a pod is made. */
  done: pulumi.Resource[];
}

/**
 * A Vault Agent in each pod of a workload, with what it renders in the pod's memory. All resources are named from
 * `name`.
 */
export function agentSidecar(name: string, args: AgentSidecarArgs, opts: { parent: pulumi.Resource }): AgentSidecar {
  const { cluster, vault, login, rendered, gid } = args;
  const authority = vault.authority === undefined ? {} : { [basename(AUTHORITY_FILE)]: vault.authority.pem };
  const data = { ...args.files, ...authority };
  // Changed files are another ConfigMap, so a pod of the old release that restarts still finds its own.
  const written = new ConfigMap(
    `${name}-agent`,
    { metadata: cluster.unnamed(name), immutable: true, data },
    cluster.in(opts.parent),
  );
  const exec = (command: readonly string[]) => ({ exec: { command: [...command] } });
  return {
    container: {
      name: AGENT,
      image: vault.agentImage,
      restartPolicy: "Always",
      command: ["vault", "agent", "-config=/agent/agent.hcl"],
      env: Object.entries({ HOME: "/tmp", SKIP_SETCAP: "true", ...args.environment }).map(([key, value]) => ({
        name: key,
        value,
      })),
      ports: [{ name: AGENT, containerPort: AGENT_PORT }],
      securityContext: restricted(VAULT_UID, gid),
      resources: resources(128, 20),
      startupProbe: { ...exec(["test", "-s", rendered.file]), periodSeconds: 1, failureThreshold: RENDER_SECONDS },
      ...(args.ready && {
        readinessProbe: { ...exec(args.ready), periodSeconds: 2, timeoutSeconds: 5, failureThreshold: 3 },
      }),
      volumeMounts: [
        { name: "agent", mountPath: "/agent", readOnly: true },
        login.mount,
        { name: rendered.volume, mountPath: rendered.directory },
        { name: "agent-tmp", mountPath: "/tmp" },
      ],
    },
    volumes: [
      { name: "agent", configMap: { name: written.metadata.name } },
      login.volume,
      inMemory(rendered.volume, 1),
      inMemory("agent-tmp", 16),
    ],
    done: [written, ...login.done],
  };
}
