import { hash } from "node:crypto";
import { parseTime } from "../time.js";
import { jsonbText, membersOf } from "./jsonb-text.js";

/** The first byte of an entry. */
export const [CAME_IN, TAKEN_IN] = [1, 2];

/** Milliseconds from 1970 to 2000, where PostgreSQL's time begins. */
export const EPOCH = 946_684_800_000;
const TEXTS = ["application", "actor", "action", "resource", "outcome"] as const;

/** An event as the read API and an export give it with `?salt=true`. */
export interface SaltedEvent {
  readonly id: string;
  readonly application: string;
  /** Microseconds since 2000. */
  readonly recordedAt: bigint;
  /** Its place in the order of arrival. A hint: no hash contains it. */
  readonly seq: number;
  /** Months since 1970-01 of the time at which it occurred. */
  readonly month: number;
  readonly commitment: Buffer;
  /** Why it cannot be one that the service has stored; then it has no commitment. */
  readonly problem?: string;
}

/**
 * An event's commitment, from its line in an export.
 * @param salt instead of the one in the line
 * @throws SyntaxError if the line is no event with a salt
 */
export function readEvent(line: string, salt?: string): SaltedEvent {
  const members = membersOf(line);
  if (salt !== undefined) members.set("salt", JSON.stringify(salt));
  try {
    return eventOf(members);
  } catch (error) {
    // An export without salts is a mistake; a value that no event can have was put there.
    if (!(error instanceof SyntaxError) || !members.has("salt") || !members.has("id")) throw error;
    const plain = (name: string): string => (members.get(name) ?? "").replace(/^"(.*)"$/s, "$1");
    return {
      ...{ id: plain("id"), application: plain("application"), recordedAt: 0n, seq: seqOf(members), month: 0 },
      ...{ commitment: Buffer.alloc(0), problem: error.message },
    };
  }
}

/** NaN if there is none. */
const seqOf = (members: ReadonlyMap<string, string>): number => parseFloat(members.get("seq") ?? "");

function eventOf(members: ReadonlyMap<string, string>): SaltedEvent {
  const text = (name: string): string => {
    const spelt = members.get(name);
    if (spelt?.startsWith('"') !== true) throw new SyntaxError(`it has no ${name}`);
    return spelt.includes("\\") ? (JSON.parse(spelt) as string) : spelt.slice(1, -1);
  };
  const id = text("id");
  const [occurredAt, recordedAt] = [microseconds(text("occurredAt")), microseconds(text("recordedAt"))];
  const head = Buffer.alloc(48);
  head.write(uuid(text("salt")), 0, "hex");
  head.write(uuid(id), 16, "hex");
  head.writeBigInt64BE(occurredAt, 32);
  head.writeBigInt64BE(recordedAt, 40);
  const parts: Buffer[] = [head];
  const add = (value: string): void => {
    const bytes = Buffer.from(value);
    const length = Buffer.alloc(4);
    length.writeInt32BE(bytes.length);
    parts.push(length, bytes);
  };
  for (const name of TEXTS) add(text(name));
  add(jsonbText(members.get("data") ?? ""));
  return {
    id,
    application: text("application"),
    recordedAt,
    seq: seqOf(members),
    month: monthOf(occurredAt),
    commitment: hash("sha256", Buffer.concat(parts), "buffer"),
  };
}

function uuid(text: string): string {
  const hex = text.replaceAll("-", "");
  if (!/^[0-9a-f]{32}$/.test(hex)) throw new SyntaxError("its id or salt is no UUID");
  return hex;
}

function microseconds(text: string): bigint {
  const moment = parseTime(text);
  if (moment === undefined) throw new SyntaxError("its time is none");
  return BigInt(moment.ms - EPOCH) * 1000n + BigInt(moment.iso.slice(23, 26));
}

/** As an entry has it. */
function monthOf(time: bigint): number {
  const date = new Date(Number(time / 1000n) + EPOCH);
  return (date.getUTCFullYear() - 1970) * 12 + date.getUTCMonth();
}
