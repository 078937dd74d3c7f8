import { createHash } from "node:crypto";
import { otherSlot, type ReleaseState, type ReloadPort, type Slot, type SlotRelease } from "../../lib/release-state";
import { ADMIN_PORT, MAX_REPLICAS, SERVICE_PORT, type AddressPlan } from "../vm/addresses";
import { UserError } from "../../lib/user-error";

/**
 * Everything about a replica that only a new container can change. Plain values, because they make up the release's
 * identity.
 */
export interface ReplicaSpec {
  /** Image that keeps the contract (audit-svc/CONTRACT.md), by digest. */
  image: string;
  /** How many replicas, 1 to 16; default 2. */
  replicas?: number;
  /** Memory limit of one replica, MiB; default 256. */
  memory?: number;
  /** Processes and threads of one replica; default 256. */
  pids?: number;
  /** Numeric `uid:gid` of the service; default "10001:10001". */
  user?: string;
  /** Additional environment variables, never secrets; default none. */
  environment?: Readonly<Record<string, string>>;
  /** The port of the image that takes `POST /reload`; default "admin". */
  reloadOn?: ReloadPort;
}

/** A place where a replica runs or will run. */
export interface Replica {
  /** Name of its container, `<name>-<slot>-<n>`. */
  name: string;
  /** Main port, on the front network. */
  address: string;
  port: number;
  /** Where it takes `POST /reload`, and on which network: `front` is that of the main port. */
  reload: { network: "admin" | "front"; address: string; port: number };
}

export interface ReleasePlan {
  /** The slot that is active after this run, and what it then holds. */
  target: Slot;
  wanted: SlotRelease;
  /** What the other slot holds, kept stopped for a rollback; undefined when it is empty. */
  idle: { slot: Slot; release: SlotRelease } | undefined;
  /** Replicas of each slot. An empty slot has the addresses it would have, because nginx needs them when it starts. */
  replicas: Record<Slot, readonly Replica[]>;
  /** The state once this run has succeeded. */
  next: ReleaseState;
}

/** The specification with its defaults. */
export function completeSpec(spec: ReplicaSpec): Required<ReplicaSpec> {
  const complete = {
    replicas: 2,
    memory: 256,
    pids: 256,
    user: "10001:10001",
    environment: {},
    reloadOn: "admin" as const,
    ...spec,
  };
  if (!Number.isInteger(complete.replicas) || complete.replicas < 1 || complete.replicas > MAX_REPLICAS) {
    throw new UserError(`replicas must be a whole number from 1 to ${MAX_REPLICAS}, not ${complete.replicas}`);
  }
  for (const limit of ["memory", "pids"] as const) {
    const value = complete[limit];
    if (!Number.isInteger(value) || value < 1)
      throw new UserError(`Slots: spec.${limit} must be a whole number above 0, not ${value}`);
  }
  if (!/^\d+:\d+$/.test(complete.user))
    throw new UserError(`Slots: spec.user must be a numeric uid:gid, such as 10001:10001, not ${complete.user}`);
  return complete;
}

/**
 * Twelve hexadecimal digits that name a release. Equal specifications have equal names, so a second run finds the
 * wanted release active and has nothing to do.
 */
export function releaseId(spec: ReplicaSpec): string {
  return createHash("sha256")
    .update(canonical(completeSpec(spec)))
    .digest("hex")
    .slice(0, 12);
}

function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    inner !== null && typeof inner === "object" && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}

/** The wanted release, where it goes, and what stays. */
export type Placement = Pick<ReleasePlan, "target" | "wanted" | "idle" | "next">;

/**
 * Decides which slot gets the wanted release. The active slot is never changed: a release that is not active goes to
 * the idle slot. If that slot holds it already, the run is a rollback: a start and a promotion.
 */
export function placeRelease(spec: ReplicaSpec, previous: ReleaseState | undefined): Placement {
  const { image, replicas, memory, reloadOn } = completeSpec(spec);
  const wanted: SlotRelease = { release: releaseId(spec), image, replicas, memory, reloadOn };
  const serving = previous?.slots[previous.active];
  let target: Slot = "blue";
  if (previous !== undefined && serving !== undefined) {
    target = serving.release === wanted.release ? previous.active : otherSlot(previous.active);
  }
  const idleSlot = otherSlot(target);
  const idle = previous?.slots[idleSlot];
  return {
    target,
    wanted,
    idle: idle === undefined ? undefined : { slot: idleSlot, release: idle },
    next: { active: target, slots: { ...(idle === undefined ? {} : { [idleSlot]: idle }), [target]: wanted } },
  };
}

/** {@link placeRelease}, with the replicas of both slots and their addresses. */
export function planRelease(
  name: string,
  spec: ReplicaSpec,
  previous: ReleaseState | undefined,
  addresses: AddressPlan,
): ReleasePlan {
  const placement = placeRelease(spec, previous);
  const { target, wanted, idle } = placement;
  const slotReplicas = (slot: Slot, { replicas: count, reloadOn: on }: SlotRelease): Replica[] =>
    Array.from({ length: count }, (_, index) => {
      const { front, admin } = addresses.replica(slot, index);
      return {
        name: `${name}-${slot}-${index + 1}`,
        address: front,
        port: SERVICE_PORT,
        reload:
          on === "main"
            ? { network: "front", address: front, port: SERVICE_PORT }
            : { network: "admin", address: admin, port: ADMIN_PORT },
      };
    });
  const held = { [target]: wanted, [otherSlot(target)]: idle?.release ?? wanted } as Record<Slot, SlotRelease>;
  return {
    ...placement,
    replicas: { blue: slotReplicas("blue", held.blue), green: slotReplicas("green", held.green) },
  };
}
