import { EPOCH, type SaltedEvent, TAKEN_IN } from "./entry.js";
import type { EntryIndex, Position } from "./entry-index.js";
import { TILE } from "./tree.js";

/** How many findings are listed; the others are counted. */
const LISTED = 1000;
/** Microseconds after which an event without an entry is no longer new. */
const NEW = 600_000_000;
const DAY = 86_400_000;

/** One thing that is not as it was. */
export interface Finding {
  readonly what:
    | "changed"
    | "deleted"
    | "inserted"
    | "backdated"
    | "dropped"
    | "rewritten"
    | "shrunk"
    | "other-root"
    | "taken-in-late"
    | "moved"
    | "doubled"
    | "other-month";
  readonly message: string;
  /** The event that it is about, if it is still there. */
  readonly id?: string;
  readonly application?: string;
  /** Its place in the log. */
  readonly position?: number;
}

interface CompareOptions {
  readonly retentionDays?: number | undefined;
  /** Seconds. */
  readonly tolerance: number;
  /** Whether the events were read just now. */
  readonly live: boolean;
}

interface Compared {
  readonly dropped: number;
  readonly uncovered: number;
  readonly waiting: number;
}

/** Compares events with entries, and says what is wrong in words. */
export class Findings {
  readonly list: Finding[] = [];
  count = 0;

  #add(finding: Finding): void {
    this.count += 1;
    if (this.list.length < LISTED) this.list.push(finding);
  }

  rewritten(size: number): void {
    this.#add({
      what: "rewritten",
      message: `the log does not extend the earlier checkpoint of ${size} entries: its history was rewritten, or an older backup was restored`,
    });
  }

  /** @param live false for files, which may also be older than the checkpoint */
  shrunk(before: number, size: number, live: boolean): void {
    const older = live ? "" : ", or these files were saved before that checkpoint was kept";
    const message = `the log has ${size} entries and had ${before}: an older backup was restored, or its end was cut off${older}`;
    this.#add({ what: "shrunk", message });
  }

  /** Whether this was found already: every larger tree has another root, too. */
  get hasOtherRoot(): boolean {
    return this.list.some(({ what }) => what === "other-root");
  }

  /** @param bundle the first whose entries are others, if one was found */
  otherRoot(bundle: number | undefined, size: number): void {
    const where =
      bundle === undefined ? "" : `; the first that differ are ${bundle * TILE} to ${(bundle + 1) * TILE - 1}`;
    this.#add({
      what: "other-root",
      message: `the ${size} entries do not have the root that was signed${where}: the log's own tables were changed`,
    });
  }

  /**
   * Compares everything.
   * @param size how many of the entries must have an event
   * @param unknown events without an entry
   * @returns how many entries have no event because retention dropped their month, how many events are so new that they
   * need no entry yet, and how many are older and may still wait for a checkpoint
   */
  compare(index: EntryIndex, size: number, unknown: readonly SaltedEvent[], options: CompareOptions): Compared {
    const known = index.known();
    const { missing, dropped } = missingIn(index, size, options.retentionDays);
    const { changed, ...open } = this.#unknown(index, known, unknown, missing, options);
    this.#gone(index, known, missing.filter((position) => !changed.has(position))); // prettier-ignore
    this.#odd(index);
    this.#order(index, known, options.tolerance);
    return { dropped, ...open };
  }

  /** Events without an entry: changed ones if an entry without an event has their place, inserted ones, and new ones. */
  #unknown(
    index: EntryIndex,
    known: Uint32Array,
    unknown: readonly SaltedEvent[],
    missing: readonly number[],
    options: CompareOptions,
  ): { changed: Set<number>; uncovered: number; waiting: number } {
    const changed = new Set<number>();
    let [uncovered, waiting] = [0, 0];
    // In the order of arrival, so that neighbours that were both changed are told with their own entries.
    for (const given of unknown.toSorted((a, b) => a.seq - b.seq || 0)) {
      const { id, application, seq, problem } = given;
      const after = firstOf(known, (position) => index.at(position).seq > seq);
      const [low, high] = [known[after - 1] ?? -1, known[after] ?? index.size];
      let at = firstOf(missing, (position) => position > low);
      while (changed.has(missing[at] ?? -1)) at += 1;
      const position = missing[at];
      const event = `the event ${id} of ${application}`;
      const why = problem === undefined ? "" : ` (${problem})`;
      if (position !== undefined && position < high) {
        changed.add(position);
        const message = `${event} is not what entry ${position} of the log holds: it was changed after it was stored${why}`;
        this.#add({ what: "changed", message, id, application, position });
        continue;
      }
      const age = ageOf(given, index, options);
      if (age === undefined) {
        const message = `${event} has no entry in the log: it was inserted past the service, or changed together with its place${why}`;
        this.#add({ what: "inserted", message, id, application });
      } else if (age < NEW) uncovered += 1;
      else waiting += 1;
    }
    return { changed, uncovered, waiting };
  }

  /** Events whose entry is there, and that are wrong all the same. */
  #odd({ otherMonth, doubled }: EntryIndex): void {
    for (const { id, application, position } of otherMonth) {
      const message = `the event ${id} of ${application} occurred in another month than entry ${position} says, by which retention goes: the database made that entry, not the service's program`;
      this.#add({ what: "other-month", message, id, application, position });
    }
    for (const { id, application, position } of doubled) {
      const message = `the event ${id} of ${application} at entry ${position} is there more than once`;
      this.#add({ what: "doubled", message, id, application, position });
    }
  }

  /** Entries whose event is gone: whole months together, others one by one. */
  #gone(index: EntryIndex, known: Uint32Array, gone: readonly number[]): void {
    const kept = new Set<string>();
    if (gone.length > 0) for (const position of known) kept.add(index.at(position).month);
    const whole = new Map<string, number[]>();
    for (const position of gone) {
      const { month } = index.at(position);
      const positions = whole.get(month) ?? [];
      positions.push(position);
      whole.set(month, positions);
    }
    for (const [month, positions] of whole) {
      if (kept.has(month) || positions.length === 1) for (const at of positions) this.#deleted(index, known, at);
      else {
        const message = `all ${positions.length} events of ${month} are missing: its partition was dropped, and retention does not explain it (--retention-days)`;
        this.#add({ what: "dropped", message });
      }
    }
  }

  #deleted(index: EntryIndex, known: Uint32Array, position: number): void {
    const name = (at: number | undefined): string => {
      if (at === undefined) return "none";
      const { id, application } = index.at(at);
      return `${id} of ${application}`;
    };
    const next = firstOf(known, (at) => at > position);
    const message = `the event of entry ${position} (it occurred in ${index.at(position).month}) is missing: it was deleted. Its neighbours: ${name(known[next - 1])} before it, ${name(known[next])} after it`;
    this.#add({ what: "deleted", message, position });
  }

  /** Whether events arrived in the order of their places, and of their times of arrival. */
  #order(index: EntryIndex, known: Uint32Array, tolerance: number): void {
    this.#places(index, known);
    this.#times(index, known, tolerance);
  }

  #places(index: EntryIndex, known: Uint32Array): void {
    let before: Position | undefined;
    for (const position of known) {
      const entry = index.at(position);
      const { id, application, seq } = entry;
      if (Number.isNaN(seq) || seq <= (before?.seq ?? -Infinity)) {
        const message = `the place (seq) of the event ${id} of ${application} at entry ${position} contradicts the log, or that of ${before?.id ?? "none"} before it: it was changed`;
        this.#add({ what: "moved", message, id, application, position });
      }
      if (!Number.isNaN(seq)) before = entry;
    }
  }

  /** A clock that was set back is one finding, however many events came until it had caught up. */
  #times(index: EntryIndex, known: Uint32Array, tolerance: number): void {
    let newest: Position | undefined;
    let back: { finding: Finding & { position: number }; last: Position; until: number } | undefined;
    const end = (): void => {
      if (back === undefined) return;
      const { finding, until } = back;
      const more = `; so do the entries up to ${until}, as after a clock that was set back`;
      this.#add({ ...finding, message: `${finding.message}${until > finding.position ? more : ""}` });
      back = undefined;
    };
    const secondsFrom = (later: Position, earlier: Position) => (later.recordedAt - earlier.recordedAt) / 1e6;
    for (const position of known) {
      const entry = index.at(position);
      const { id, application, kind } = entry;
      if (kind === TAKEN_IN) {
        const message = `the event ${id} of ${application} at entry ${position} claims to be from before the log, and others came before it`;
        if (newest !== undefined) this.#add({ what: "taken-in-late", message, id, application, position });
        continue;
      }
      const seconds = newest === undefined ? 0 : secondsFrom(newest, entry);
      if (!(seconds > tolerance)) {
        end();
        if (seconds <= 0) newest = entry;
      } else if (back !== undefined && Math.abs(secondsFrom(back.last, entry)) <= tolerance) {
        [back.last, back.until] = [entry, position];
      } else {
        end();
        const message = `the event ${id} of ${application} at entry ${position} says that it was stored ${Math.round(seconds)} s before an earlier entry, ${newest?.id ?? ""}: it came later than it says (--tolerance ${tolerance})`;
        back = { finding: { what: "backdated", message, id, application, position }, last: entry, until: position };
      }
    }
    end();
  }
}

/**
 * Microseconds since an event without an entry was stored, if no checkpoint may cover it yet; undefined if it claims to
 * be from before events that are covered, or from the future.
 */
export function ageOf({ seq, recordedAt, problem }: SaltedEvent, index: EntryIndex, { live, tolerance }: CompareOptions): number | undefined {
  const stored = Number(recordedAt);
  const now = Math.max(index.lastRecorded, (Date.now() - EPOCH) * 1000);
  const after = problem === undefined && seq > index.lastSeq && stored >= index.lastRecorded - tolerance * 1e6;
  if (!after || stored > now + NEW) return undefined;
  // What was saved is as old as it was then.
  return live ? now - stored : Math.abs(stored - index.lastRecorded);
} // prettier-ignore

/** Positions without an event, but for those that retention explains. */
function missingIn(index: EntryIndex, size: number, retentionDays?: number): { missing: number[]; dropped: number } {
  const keep = retentionDays === undefined ? "" : new Date(Date.now() - retentionDays * DAY).toISOString().slice(0, 7);
  const missing: number[] = [];
  let dropped = 0;
  for (let position = 0; position < size; position++) {
    if (index.isMatched(position)) continue;
    if (index.at(position).month < keep) dropped += 1;
    else missing.push(position);
  }
  return { missing, dropped };
}

/** The index of the first of sorted positions for which this is true; their number if there is none. */
function firstOf(positions: Uint32Array | readonly number[], is: (position: number) => boolean): number {
  let [low, high] = [0, positions.length];
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (is(positions[middle] ?? 0)) high = middle;
    else low = middle + 1;
  }
  return low;
}
