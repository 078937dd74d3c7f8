import { normalizeUuid } from "./ids.js";
import { parseTime } from "./time.js";

/** The last event of a page: the next page holds what comes after it. */
export interface Position {
  readonly occurredAt: string;
  readonly id: string;
}

/** An opaque cursor for a position. */
export function encodeCursor(position: Position): string {
  return Buffer.from(`1|${position.occurredAt}|${position.id}`).toString("base64url");
}

/** The position of a cursor; `undefined` for anything that {@link encodeCursor} did not make. */
export function decodeCursor(cursor: string): Position | undefined {
  if (cursor.length > 128) return undefined;
  const [version, time, uuid, ...rest] = Buffer.from(cursor, "base64url").toString("latin1").split("|");
  const occurredAt = parseTime(time ?? "")?.iso;
  const id = normalizeUuid(uuid ?? "");
  if (version !== "1" || rest.length > 0 || occurredAt === undefined || id === undefined) return undefined;
  const position = { occurredAt, id };
  return encodeCursor(position) === cursor ? position : undefined;
}
