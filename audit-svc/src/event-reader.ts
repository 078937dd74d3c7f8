import type pg from "pg";
import type { Position } from "./cursor.js";
import type { EventOutput } from "./event.js";

/** What to read. Times are `YYYY-MM-DDTHH:MM:SS.ffffffZ`. */
export interface EventFilter {
  readonly application?: string;
  readonly actor?: string;
  readonly action?: string;
  readonly outcome?: string;
  /** Inclusive. */
  readonly from?: string;
  /** Exclusive. */
  readonly to?: string;
  /** Whether to read what the log needs, too. It filters nothing. */
  readonly salt?: boolean;
}

/** A column in the format of {@link Moment.iso}, whatever time zone and date style the session has. */
const time = (column: string): string => `to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;

const COLUMNS = `id, application, actor, action, resource, outcome, ${time("occurred_at")} AS "occurredAt", ${time("recorded_at")} AS "recordedAt"`;
/** What the hash of an event's entry in the log needs beside the event, and where to look for it there. */
const SALT = ", salt, seq::float8 AS seq";
const ORDER = "ORDER BY occurred_at DESC, id DESC, application DESC";

/**
 * Bytes of data to read at once: by default a hundred events of the largest size. A single larger event is still read,
 * alone.
 */
const CHUNK_BYTES = 1_638_400;

/** An event as it is stored: its data is the JSON text from PostgreSQL. */
export type StoredEvent = Omit<EventOutput, "data"> & { readonly data: string };

/** Events that were read at once. */
export interface Chunk {
  readonly events: StoredEvent[];
  /** Whether more were requested and exist, but would have been too much data at once. */
  readonly cut: boolean;
}

/**
 * One chunk, newest first: at most `limit` events and {@link CHUNK_BYTES} of data, but at least one event if there is any. The sort key
 * is (occurredAt, id, application), so a page starts exactly after the given position whatever was stored in between.
 */
export async function readEvents(
  db: pg.ClientBase,
  filter: EventFilter,
  after: Position | undefined,
  limit: number,
): Promise<Chunk> {
  const values: unknown[] = [];
  const where: string[] = [];
  const add = (condition: (parameter: string) => string, value: unknown): void => {
    values.push(value);
    where.push(condition(`$${values.length}`));
  };
  for (const column of ["application", "actor", "action", "outcome"] as const) {
    if (filter[column] !== undefined) add((p) => `${column} = ${p}`, filter[column]);
  }
  if (filter.from !== undefined) add((p) => `occurred_at >= ${p}::timestamptz`, filter.from);
  if (filter.to !== undefined) add((p) => `occurred_at < ${p}::timestamptz`, filter.to);
  if (after !== undefined) {
    // Only this condition. With an additional "occurred_at <= …" PostgreSQL would start its scan there and step over
    // every event of that moment on each page. The partitions that it would prune cost only one probe each.
    values.push(after.occurredAt, after.id, after.application);
    const n = values.length;
    where.push(`(occurred_at, id, application) < ($${n - 2}::timestamptz, $${n - 1}::uuid, $${n})`);
  }
  values.push(limit);
  // The server measures the text it would send: with jsonb's numbers that can be fifty times what it stores.
  const result = await db.query<Omit<StoredEvent, "data"> & { data: string | null }>(
    `SELECT ${COLUMNS}${filter.salt === true ? SALT : ""}, CASE WHEN total <= ${CHUNK_BYTES} OR total = bytes THEN text END AS data
       FROM (SELECT *, octet_length(text) AS bytes, sum(octet_length(text)) OVER (${ORDER} ROWS UNBOUNDED PRECEDING) AS total
               FROM (SELECT *, data::text AS text FROM audit.events
                     ${where.length > 0 ? `WHERE ${where.join(" AND ")}` : ""}
                     ${ORDER} LIMIT $${values.length}) AS candidates) AS measured
      ${ORDER}`,
    values,
  );
  const events = result.rows.filter((row): row is StoredEvent => row.data !== null);
  return { events, cut: events.length < result.rows.length };
}

/** The event in the shape of the API. */
export function toOutput(event: StoredEvent): EventOutput {
  return { ...event, data: JSON.parse(event.data) as Record<string, unknown> };
}

/**
 * The same as a line of NDJSON. The data is copied as text, so that an export of millions need not parse and serialize
 * it again.
 */
export function toLine({ data, ...fields }: StoredEvent): string {
  return `${JSON.stringify(fields).slice(0, -1)},"data":${data}}\n`;
}
