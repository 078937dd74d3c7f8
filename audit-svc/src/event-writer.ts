import { createHash } from "node:crypto";
import type { Batch } from "./batch.js";
import type { Queries } from "./connections.js";

const STORE =
  "SELECT audit.store($1::smallint[], $2::uuid[], $3::timestamptz[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::jsonb[])";

/**
 * The prepared statement's name, derived from its text: behind a pooler another release may have prepared its own on
 * the same connection.
 */
const NAME = `audit-store-${createHash("sha256").update(STORE).digest("hex").slice(0, 8)}`;
/** Errors after a pooler has switched the server connection: the statement's name is unknown there, or taken. */
const NAME_LOST = new Set(["26000", "42P05"]);

/**
 * Stores with a prepared statement, which PostgreSQL parses once per connection, until a pooler turns out to lose such
 * statements.
 */
export class EventWriter {
  #named = true;

  /** Like {@link storeBatches}, but not for use in a transaction, where a failed statement cannot be repeated. */
  async store(db: Queries, batches: readonly Batch[]): Promise<void> {
    if (this.#named) {
      try {
        await db.query({ name: NAME, text: STORE, values: valuesOf(batches) });
        return;
      } catch (error) {
        // In neither case was anything executed.
        if (!NAME_LOST.has((error as { code?: string }).code ?? "")) throw error;
        this.#named = false;
      }
    }
    await storeBatches(db, batches);
  }
}

/**
 * Stores the events of all batches in one statement, all or none. Throws the database's error; AU409 names the refused rows in
 * `detail`, counted over all the batches.
 */
export async function storeBatches(db: Queries, batches: readonly Batch[]): Promise<void> {
  await db.query({ text: STORE, values: valuesOf(batches) });
}

function valuesOf(batches: readonly Batch[]): string[] {
  const columns = batches[0]?.columns ?? [];
  return columns.map((_, column) => `{${batches.map((batch) => batch.columns[column]).join()}}`);
}

/** The rows that an AU409 error names. */
export function refusedRows(error: unknown): number[] {
  return ((error as { detail?: string }).detail ?? "").split(",").map(Number);
}
