import type * as command from "@pulumi/command";
import type * as docker from "@pulumi/docker";
import { SERVING_SHARES } from "../../lib/cpu-weight";
import type { DockerHost } from "./docker-host";
import type { ScriptOptions } from "./host-script";
import { commandLine } from "../../lib/shell";

export interface HardenedArgs {
  /** Memory limit, MiB; there is no swap beyond it. */
  memory: number;
  /** Numeric `uid:gid`. */
  user: string;
  /** CPU weight (`--cpu-shares`); default {@link SERVING_SHARES}. */
  shares?: number;
}

/** The arguments that all long-running containers have in common. */
export function hardened(
  args: HardenedArgs,
): Pick<
  docker.ContainerArgs,
  | "readOnly"
  | "user"
  | "capabilities"
  | "securityOpts"
  | "cpuShares"
  | "memory"
  | "memorySwap"
  | "restart"
  | "init"
  | "logDriver"
  | "destroyGraceSeconds"
> {
  return {
    readOnly: true,
    user: args.user,
    capabilities: { drops: ["ALL"] },
    securityOpts: ["no-new-privileges"],
    cpuShares: args.shares ?? SERVING_SHARES,
    memory: args.memory,
    // If unset, Docker allows the same amount of swap in addition, and a refresh would record that as a difference.
    memorySwap: args.memory,
    restart: "unless-stopped",
    init: true,
    logDriver: "json-file",
    // If unset, the provider stops a container with SIGKILL.
    destroyGraceSeconds: 40,
  };
}

/** A tmpfs directory of limited size, writable by every user of the container. */
export function scratch(target: string, mebibytes: number): docker.types.input.ContainerMount {
  return { type: "tmpfs", target, tmpfsOptions: { sizeBytes: mebibytes * 1024 * 1024, mode: 0o1777 } };
}

/** Logs are bounded: two files of 10 MB a container. */
export const LOG_OPTIONS = { "max-size": "10m", "max-file": "2" };

/**
 * Limits the number of processes in a container. The docker provider has no such input (nproc of `ulimits` counts per
 * user, not per container), so the limit is set after the container is created.
 */
export function pidsLimit(
  name: string,
  host: DockerHost,
  container: docker.Container,
  limit: number,
  opts: ScriptOptions,
): command.local.Command {
  return host.script(
    name,
    {
      script: container.name.apply((c) => commandLine(["docker", "update", "--pids-limit", String(limit), c])),
      triggers: [container.id],
    },
    opts,
  );
}
