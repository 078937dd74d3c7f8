import { normalizeUuid } from "./ids.js";
import { parseTime } from "./time.js";

/** The longest cursor: an application's name has up to 400 bytes. */
export const CURSOR_LENGTH = 640;

/** The last event of a page; the next page starts after it. */
export interface Position {
  readonly occurredAt: string;
  readonly id: string;
  /**
   * Part of the position because two applications may have the same id at the same time. Empty in a cursor of the
   * previous release, which stood after all of them.
   */
  readonly application: string;
}

/** An opaque cursor for a position. */
export function encodeCursor(position: Position): string {
  return Buffer.from(`2|${position.occurredAt}|${position.id}|${position.application}`).toString("base64url");
}

/** The position of a cursor; `undefined` for anything that {@link encodeCursor} did not make. */
export function decodeCursor(cursor: string): Position | undefined {
  if (cursor.length > CURSOR_LENGTH) return undefined;
  const [version, time, uuid, ...rest] = Buffer.from(cursor, "base64url").toString("utf8").split("|");
  const occurredAt = parseTime(time ?? "")?.iso;
  const id = normalizeUuid(uuid ?? "");
  if (occurredAt === undefined || id === undefined) return undefined;
  const position = { occurredAt, id, application: rest.join("|") };
  const known =
    version === "1" && rest.length === 0 ? `1|${occurredAt}|${id}` : `2|${occurredAt}|${id}|${position.application}`;
  return Buffer.from(known).toString("base64url") === cursor && !position.application.includes("\0")
    ? position
    : undefined;
}
