import type pg from "pg";
import type { EventRow } from "./event.js";

const STORE = {
  name: "store",
  text: "SELECT audit.store($1::smallint[], $2::uuid[], $3::timestamptz[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::jsonb[])",
};

/** Stores the events in one statement, all or none. Throws the database's error; AU409 names the refused positions in `detail`. */
export async function storeEvents(db: pg.Pool, rows: readonly EventRow[]): Promise<void> {
  const column = (get: (row: EventRow) => string): string => {
    let list = "{";
    for (const row of rows) list += list.length === 1 ? get(row) : `,${get(row)}`;
    return `${list}}`;
  };
  await db.query({
    ...STORE,
    values: [
      column((row) => String(row.bucket)),
      column((row) => row.id),
      column((row) => row.occurredAt),
      column((row) => quote(row.application)),
      column((row) => quote(row.actor)),
      column((row) => quote(row.action)),
      column((row) => quote(row.resource)),
      column((row) => row.outcome),
      column((row) => quote(row.data)),
    ],
  });
}

/** The positions that an AU409 error names. */
export function refusedPositions(error: unknown): number[] {
  return ((error as { detail?: string }).detail ?? "").split(",").map(Number);
}

/** An element of an array literal. `pg` would build the same from an array, several times slower. */
function quote(text: string): string {
  return /["\\]/.test(text) ? `"${text.replace(/["\\]/g, "\\$&")}"` : `"${text}"`;
}
