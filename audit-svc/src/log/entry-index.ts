import type { SaltedEvent } from "./entry.js";
import { ENTRY, leafHashes } from "./tile.js";
import { HASH, RootBuilder } from "./tree.js";

/** Where the commitment begins in an entry, after kind and month. */
const HEAD = 3;

/** What is known of one position in the log. */
export interface Position {
  readonly kind: number;
  /** `2026-11`. */
  readonly month: string;
  readonly id: string;
  readonly application: string;
  readonly recordedAt: number;
  readonly seq: number;
}

/** Something that is wrong with an event, though its entry is there. */
export interface Odd {
  readonly position: number;
  readonly id: string;
  readonly application: string;
}

/** The entries of a log with the events that were found for them, in some 90 bytes for each. */
export class EntryIndex {
  readonly #tree = new RootBuilder();
  #entries = Buffer.alloc(0);
  #ids = Buffer.alloc(0);
  #recorded = new Float64Array(0);
  #seqs = new Float64Array(0);
  #applications = new Uint16Array(0);
  readonly #names: string[] = [""];
  readonly #numbers = new Map<string, number>();
  /** Positions + 1 by the first bytes of the commitment; a position that is taken moves to the next free place. */
  #table = new Uint32Array(1024);
  matched = 0;
  /** Events whose entry names another month than theirs. */
  readonly otherMonth: Odd[] = [];
  /** Events that came more than once. */
  readonly doubled: Odd[] = [];
  /** The last position that has its event. */
  #last = -1;

  get size(): number {
    return this.#tree.size;
  }

  /** The root of all entries so far. */
  root(): Buffer {
    return this.#tree.root();
  }

  /** Adds entries that are side by side. */
  add(entries: Buffer): void {
    const from = this.size;
    const size = from + entries.length / ENTRY;
    this.#grow(size);
    entries.copy(this.#entries, from * ENTRY);
    const leaves = leafHashes(entries);
    for (let at = 0; at < leaves.length; at += HASH) this.#tree.add(leaves.subarray(at, at + HASH));
    for (let position = from; position < size; position++) this.#enter(position);
  }

  /** Finds the entry of an event. @returns its position, -1 if it has none */
  match(event: SaltedEvent): number {
    const { commitment, problem } = event;
    if (problem !== undefined) return -1;
    const mask = this.#table.length - 1;
    for (let slot = commitment.readUInt32BE(0) & mask; ; slot = (slot + 1) & mask) {
      const position = (this.#table[slot] ?? 0) - 1;
      if (position < 0) return -1;
      const at = position * ENTRY + HEAD;
      if (this.#entries.compare(commitment, 0, HASH, at, at + HASH) !== 0) continue;
      this.#note(position, event);
      return position;
    }
  }

  isMatched(position: number): boolean {
    return this.#applications[position] !== 0;
  }

  /** The place in the order of arrival of the last event found so far. */
  get lastSeq(): number {
    return this.#seqs[this.#last] ?? -Infinity;
  }

  /** When that event was stored, in microseconds since 2000. */
  get lastRecorded(): number {
    return this.#recorded[this.#last] ?? -Infinity;
  }

  /** The positions that have their event, in their order. */
  known(): Uint32Array {
    const positions = new Uint32Array(this.matched);
    for (let position = 0, at = 0; position < this.size; position++) if (this.isMatched(position)) positions[at++] = position; // prettier-ignore
    return positions;
  }

  /** How many of the last entries have no event. */
  unknownAtEnd(): number {
    let count = 0;
    while (count < this.size && !this.isMatched(this.size - 1 - count)) count += 1;
    return count;
  }

  at(position: number): Position {
    const months = this.#entries.readUInt16BE(position * ENTRY + 1);
    return {
      kind: this.#entries[position * ENTRY] ?? 0,
      month: `${1970 + Math.floor(months / 12)}-${String((months % 12) + 1).padStart(2, "0")}`,
      id: this.#ids.toString("hex", position * 16, position * 16 + 16).replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-"),
      application: this.#names[this.#applications[position] ?? 0] ?? "",
      recordedAt: this.#recorded[position] ?? NaN,
      seq: this.#seqs[position] ?? NaN,
    }; // prettier-ignore
  }

  #note(position: number, event: SaltedEvent): void {
    const { id, application } = event;
    if (this.isMatched(position)) return void this.doubled.push({ position, id, application });
    this.matched += 1;
    this.#last = Math.max(this.#last, position);
    if (this.#entries.readUInt16BE(position * ENTRY + 1) !== event.month)
      this.otherMonth.push({ position, id, application });
    this.#ids.write(event.id.replaceAll("-", ""), position * 16, "hex");
    this.#recorded[position] = Number(event.recordedAt);
    this.#seqs[position] = event.seq;
    let number = this.#numbers.get(event.application);
    if (number === undefined) {
      // Beyond what the array holds, applications share the last number: only names in messages depend on it.
      number = Math.min(this.#names.length, 65_535);
      this.#names[number] = event.application;
      this.#numbers.set(event.application, number);
    }
    this.#applications[position] = number;
  }

  #enter(position: number): void {
    const mask = this.#table.length - 1;
    let slot = this.#entries.readUInt32BE(position * ENTRY + HEAD) & mask;
    while (this.#table[slot] !== 0) slot = (slot + 1) & mask;
    this.#table[slot] = position + 1;
  }

  #grow(size: number): void {
    if (size * ENTRY > this.#entries.length) {
      const room = Math.max(1024, Math.ceil(size * 1.5));
      this.#entries = Buffer.concat([this.#entries], room * ENTRY);
      this.#ids = Buffer.concat([this.#ids], room * 16);
      this.#recorded = copy(new Float64Array(room), this.#recorded);
      this.#seqs = copy(new Float64Array(room), this.#seqs);
      this.#applications = copy(new Uint16Array(room), this.#applications);
    }
    if (size * 2 <= this.#table.length) return;
    this.#table = new Uint32Array(2 ** Math.ceil(Math.log2(size * 3)));
    for (let position = 0; position < this.size; position++) this.#enter(position);
  }
}

function copy<T extends Float64Array | Uint16Array>(to: T, from: T): T {
  to.set(from);
  return to;
}
