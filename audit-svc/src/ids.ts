import { randomFillSync } from "node:crypto";

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));
const pool = Buffer.alloc(4096);
let used = pool.length;
let lastMs = 0;
let sequence = 0;
/** Milliseconds by which a clock that goes back was wrong before, and is not just being adjusted. */
const WRONG = 10_000;

/**
 * A new UUIDv7 (RFC 9562), increasing within this process unless the clock is set back: the 12 bits after the version
 * count the ids of one millisecond, so that ids created together are also neighbours in the index.
 */
export function uuidv7(now = Date.now()): string {
  // After a clock that was months ahead, ids would fall into months without a partition for as long as the process runs.
  if (now > lastMs || lastMs - now > WRONG) {
    lastMs = now;
    sequence = 0;
  } else if (++sequence > 0xfff) {
    lastMs += 1;
    sequence = 0;
  }
  if (used + 8 > pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  const time = lastMs.toString(16).padStart(12, "0");
  const r = pool.subarray(used, used + 8);
  used += 8;
  const hex = (i: number): string => HEX[r[i] ?? 0] ?? "00";
  const variant = HEX[((r[0] ?? 0) & 0x3f) | 0x80] ?? "80";
  return (
    `${time.slice(0, 8)}-${time.slice(8)}-7${sequence.toString(16).padStart(3, "0")}-${variant}${hex(1)}-` +
    `${hex(2)}${hex(3)}${hex(4)}${hex(5)}${hex(6)}${hex(7)}`
  );
}

/** Lower-cases a UUID in its usual spelling (8-4-4-4-12); `undefined` for anything else. */
export function normalizeUuid(text: string): string | undefined {
  const lower = text.toLowerCase();
  return UUID.test(lower) ? lower : undefined;
}

/** Time inside a UUIDv7 in milliseconds since 1970; `undefined` for every other version. */
export function uuidTime(id: string): number | undefined {
  return id[14] === "7" ? parseInt(id.slice(0, 8) + id.slice(9, 13), 16) : undefined;
}

/** The partition of the register of ids that an id belongs to: months since 1970-01 for a UUIDv7, 0 for every other id. */
export function bucketOf(id: string): number {
  const ms = uuidTime(id);
  if (ms === undefined) return 0;
  const date = new Date(ms);
  return (date.getUTCFullYear() - 1970) * 12 + date.getUTCMonth();
}
