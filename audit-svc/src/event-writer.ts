import type { Batch } from "./batch.js";
import type { Queries } from "./storage.js";

// Without a name, which a pooler may give to another connection or not know: the statement's own plan costs nothing, those
// inside the function are kept.
const STORE =
  "SELECT audit.store($1::smallint[], $2::uuid[], $3::timestamptz[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::jsonb[])";

/**
 * Stores the events of all batches in one statement, all or none. Throws the database's error; AU409 names the refused rows in
 * `detail`, counted over all the batches.
 */
export async function storeBatches(db: Queries, batches: readonly Batch[]): Promise<void> {
  const columns = batches[0]?.columns ?? [];
  await db.query({
    text: STORE,
    values: columns.map((_, column) => `{${batches.map((batch) => batch.columns[column]).join()}}`),
  });
}

/** The rows that an AU409 error names. */
export function refusedRows(error: unknown): number[] {
  return ((error as { detail?: string }).detail ?? "").split(",").map(Number);
}
