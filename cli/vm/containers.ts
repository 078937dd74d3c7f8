import { MARKER_FILE } from "../../components/release/switch-helper";
import type { Slot } from "../../lib/release-state";
import { vmScript } from "./script";

/** A part of the system, as `audit logs` and `audit exec` name it. */
export type Part = "service" | "edge" | "agent" | "migrate";

/** A container on the VM. */
export interface Container {
  readonly name: string;
  readonly part: Part;
  /** Of a replica. */
  readonly slot?: Slot;
  /** Of a replica; empty for an image without AUDIT_RELEASE. */
  readonly release?: string;
  /** Docker's word: running, exited, restarting, … */
  readonly state: string;
  /** Docker's word; null without a health check. */
  readonly health: string | null;
  /** When it was started last. */
  readonly since: string;
  /** When it ended last; in the year 1 if it never did. */
  readonly until: string;
  readonly exitCode: number;
  readonly outOfMemory: boolean;
  readonly restarts: number;
  /** Digests by which its image was pulled, `registry/repository@sha256:…`. */
  readonly digests: readonly string[];
}

export interface Containers {
  readonly containers: readonly Container[];
  /** The slot that Nginx sends requests to; undefined if Nginx does not run. */
  readonly marker?: Slot;
}

/** What the names of a part's containers match, in a form that grep -E knows, too. */
export const PATTERNS: Readonly<Record<Part, RegExp>> = {
  service: /^audit-svc-(blue|green)-[0-9]+$/,
  edge: /^audit-edge-(nginx|exporter)$/,
  agent: /^audit-(svc|edge-certificate)-agent$/,
  migrate: /^audit-svc-migrate$/,
};

/** @param onHost runs a shell line on the VM */
export async function lookAtContainers(onHost: (line: string) => Promise<string>): Promise<Containers> {
  return readContainers(await onHost(vmScript("containers.sh", [MARKER_FILE])));
}

type Described = Omit<Container, "part" | "slot" | "digests"> & { image: string };

/** What containers.sh has printed, in the order of names. Containers of others are left out. */
export function readContainers(printed: string): Containers {
  const lines = printed
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as object);
  const images = lines.filter((line) => "digests" in line) as { id: string; digests: string[] | null }[];
  const marker = lines.find((line): line is { marker: Slot } => "marker" in line)?.marker;
  const containers = (lines.filter((line) => "state" in line) as Described[]).flatMap(({ image, ...described }) => {
    const name = described.name.replace(/^\//, "");
    const part = (Object.keys(PATTERNS) as Part[]).find((each) => PATTERNS[each].test(name));
    if (part === undefined) return [];
    const { release, ...rest } = described;
    const digests = images.find(({ id }) => id === image)?.digests ?? [];
    const replica = part === "service" ? { slot: PATTERNS.service.exec(name)?.[1] as Slot, release } : {};
    return [{ ...rest, ...replica, name, part, digests }];
  });
  containers.sort((a, b) => (a.name < b.name ? -1 : 1));
  return { containers, ...(marker === undefined ? {} : { marker }) };
}
