/** Content of the stack output `releases`: the program writes it, and a rollback reads it. */

/** The two places in which a release can run: one is active, the other idle or being filled. */
export type Slot = "blue" | "green";

export function otherSlot(slot: Slot): Slot {
  return slot === "blue" ? "green" : "blue";
}

/**
 * Where an image takes `POST /reload`: on a separate admin port, or on the main port of an image with one port. In the
 * second case only the edge's allow-list of routes keeps clients from calling it.
 */
export type ReloadPort = "admin" | "main";

/** What runs, or last ran, in a slot. */
export interface SlotRelease {
  /** Identifier of the release; equal identifiers mean equal specifications. */
  release: string;
  /** Image by digest. */
  image: string;
  replicas: number;
  /** MiB, of one replica. */
  memory: number;
  /** Absent in records of the program's first versions, which knew only "admin". */
  reloadOn?: ReloadPort;
}

/** The state of both slots, kept as a stack output and read back by the next run. */
export interface ReleaseState {
  active: Slot;
  slots: Partial<Record<Slot, SlotRelease>>;
}

/** The release that was active before and is kept stopped; undefined before the second release. */
export function formerRelease(state: ReleaseState | undefined): SlotRelease | undefined {
  return state?.slots[otherSlot(state.active)];
}

/** Settings that make a release the wanted one, whatever the stack's file says: for `pulumi up --config key=value`. */
export type ReleaseSettings = Readonly<
  Record<"audit:image" | "audit:replicas" | "audit:memory" | "audit:reloadOn", string>
>;

export const settingsOf = ({ image, replicas, memory, reloadOn = "admin" }: SlotRelease): ReleaseSettings => ({
  "audit:image": image,
  "audit:replicas": String(replicas),
  "audit:memory": String(memory),
  "audit:reloadOn": reloadOn,
});
