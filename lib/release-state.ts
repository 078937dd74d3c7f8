/** What the stack's output `releases` holds: the program keeps it, and whoever rolls back reads it. */

/** The two places in which a release can run; one serves, the other is idle or being filled. */
export type Slot = "blue" | "green";

export function otherSlot(slot: Slot): Slot {
  return slot === "blue" ? "green" : "blue";
}

/**
 * Where an image takes `POST /reload`: on an admin port of its own, or, as images with one port do, beside everything else. What
 * keeps it from clients in the second case is the edge's allow-list of routes alone.
 */
export type ReloadPort = "admin" | "main";

/** What runs, or last ran, in a slot. */
export interface SlotRelease {
  /** Identifier of the release; equal ones have the same specification. */
  release: string;
  /** Image by digest. */
  image: string;
  replicas: number;
  /** MiB, of one replica. */
  memory: number;
  /** Absent in what the first versions of the program recorded, which knew "admin" alone. */
  reloadOn?: ReloadPort;
}

/** The state of both slots, kept as a stack output and read back by the next run. */
export interface ReleaseState {
  active: Slot;
  slots: Partial<Record<Slot, SlotRelease>>;
}

/** What served before and is kept stopped; undefined before the second release. */
export function formerRelease(state: ReleaseState | undefined): SlotRelease | undefined {
  return state?.slots[otherSlot(state.active)];
}

/** Settings of a stack that make a release the wanted one, whatever its file says: for `pulumi up --config key=value`. */
export type ReleaseSettings = Readonly<
  Record<"audit:image" | "audit:replicas" | "audit:memory" | "audit:reloadOn", string>
>;

export const settingsOf = ({ image, replicas, memory, reloadOn = "admin" }: SlotRelease): ReleaseSettings => ({
  "audit:image": image,
  "audit:replicas": String(replicas),
  "audit:memory": String(memory),
  "audit:reloadOn": reloadOn,
});
