import { HERE, logsLine, podsOf } from "../cluster/pods";
import { lookAtContainers, PATTERNS, type Part } from "../vm/containers";
import { vmScript } from "../vm/script";
import type { World } from "../world";

const LINES = 50;

export interface LogsOptions {
  readonly part: Part | undefined;
  readonly follow: boolean;
  readonly since: string | undefined;
  /** Of each container; default: the last fifty, or all since the time that is named. */
  readonly lines: number | undefined;
  readonly request: string | undefined;
}

/** A script that prints lines of logs, and where it runs. */
export interface Source {
  readonly parts: readonly Part[];
  /** What is to blame if it fails, for people. */
  readonly where: string;
  /** The command before the script's line. */
  readonly shell: string;
  readonly script: string;
  /** Of the replicas, by container or pod. */
  readonly releases: ReadonlyMap<string, string>;
}

/** @throws CommandError if the VM or the cluster cannot be asked */
export async function sourceOf(options: LogsOptions, world: World): Promise<Source> {
  const { values } = world;
  const { part, follow, since, request: text } = options;
  // A request passes the edge, and then a replica; it is looked for in all that is kept.
  const parts =
    part !== undefined && part !== "migrate"
      ? [part]
      : text === undefined
        ? (["service"] as const)
        : (["edge", "service"] as const);
  const lines = text === undefined ? (options.lines ?? (since === undefined ? LINES : "all")) : "all";
  if (values.platform === "kubernetes") {
    const pods = await podsOf(values);
    const script = logsLine(values, parts, { follow, since, lines });
    return { parts, where: "the cluster (audit:kubeContext)", shell: HERE, script, releases: byName(pods) };
  }
  const { containers } = await lookAtContainers((line) => world.onHost(line));
  const pattern = parts.map((each) => PATTERNS[each].source).join("|");
  const script = vmScript("logs.sh", [follow ? "yes" : "no", since ?? "-", lines, text ?? "-", pattern]);
  return { parts, where: "the VM (audit:hostAddress)", shell: world.hostShell, script, releases: byName(containers) };
}

const byName = (all: readonly { name: string; release?: string }[]): ReadonlyMap<string, string> =>
  new Map(all.flatMap(({ name, release }) => (release ? [[name, release] as const] : [])));
