import { type EventRow, keyOf } from "./event.js";

/** The columns of `audit.store`, in the order of its parameters. */
const COLUMNS: readonly ((row: EventRow) => string)[] = [
  (row) => String(row.bucket),
  (row) => row.id,
  (row) => row.occurredAt,
  (row) => quote(row.application),
  (row) => quote(row.actor),
  (row) => quote(row.action),
  (row) => quote(row.resource),
  (row) => row.outcome,
  (row) => quote(row.data),
];
const ID = 1;

/**
 * The events of one request, ready to be stored: each column is one text, the elements of an array literal. Waiting
 * events have this shape because a hundred of them are then nine strings rather than a thousand objects, which the
 * garbage collector would copy again and again.
 */
export interface Batch {
  /** How many events the client sent. */
  readonly events: number;
  /** Number of rows: an id that came twice with the same content is one row. */
  readonly rows: number;
  readonly columns: readonly string[];
  /** The id of each event sent, comma-separated. */
  readonly ids: string;
  /** For each row, the index of its first event; undefined if each event is a row. */
  readonly firsts: readonly number[] | undefined;
  /** Whether the client chose an id: only such an id can already belong to another event. */
  readonly chosen: boolean;
  /** How many rows each application has. */
  readonly applications: ReadonlyMap<string, number>;
}

/** @param events validated; events with the same id have the same content */
export function batchOf(events: readonly EventRow[]): Batch {
  const chosen = events.some((row) => row.chosen);
  const distinct = chosen && events.length > 1 ? [...new Map(events.map((row) => [keyOf(row), row])).values()] : events;
  const doubled = distinct.length < events.length;
  const rows = doubled ? distinct : events;
  // join() rather than +=, which would build a rope: as many objects again.
  const [only] = rows;
  const columns = COLUMNS.map((column) => (rows.length === 1 && only ? column(only) : rows.map(column).join()));
  const applications = new Map<string, number>();
  for (const { application } of rows) applications.set(application, (applications.get(application) ?? 0) + 1);
  return {
    events: events.length,
    rows: rows.length,
    columns,
    ids: doubled ? events.map((row) => row.id).join() : (columns[ID] ?? ""),
    firsts: doubled ? firstsOf(events) : undefined,
    chosen,
    applications,
  };
}

/** The id of each event, in the order in which they were sent. */
export function idsOf(batch: Batch): string[] {
  return batch.ids.split(",");
}

/** The index of a row's first event. */
export function eventOfRow(batch: Batch, row: number): number {
  return batch.firsts?.[row] ?? row;
}

/** The index of the first event of each key, in the order in which a Map keeps them. */
function firstsOf(events: readonly EventRow[]): number[] {
  const firsts = new Map<string, number>();
  events.forEach((row, index) => {
    if (!firsts.has(keyOf(row))) firsts.set(keyOf(row), index);
  });
  return [...firsts.values()];
}

/** An element of an array literal. `pg` would build the same from an array, several times slower. */
function quote(text: string): string {
  return /["\\]/.test(text) ? `"${text.replace(/["\\]/g, "\\$&")}"` : `"${text}"`;
}
