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

/** The part of a container's arguments that is the same for every long-running container here. */
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
    // Unset, Docker allows as much swap again, and a refresh would store that as a difference.
    memorySwap: args.memory,
    restart: "unless-stopped",
    init: true,
    logDriver: "json-file",
    // Unset, the provider stops a container by SIGKILL.
    destroyGraceSeconds: 40,
  };
}

/** A directory in memory, writable by every user of the container, of so many MiB at the most. */
export function scratch(target: string, mebibytes: number): docker.types.input.ContainerMount {
  return { type: "tmpfs", target, tmpfsOptions: { sizeBytes: mebibytes * 1024 * 1024, mode: 0o1777 } };
}

/** Logs are bounded: two files of 10 MB a container. */
export const LOG_OPTIONS = { "max-size": "10m", "max-file": "2" };

/**
 * Bounds the number of processes of a container. The docker provider has no such input (nproc of `ulimits` counts per
 * user, not per container), so Docker is told after the container was made.
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
