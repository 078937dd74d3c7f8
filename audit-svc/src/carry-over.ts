import pg from "pg";
import { UserError, reasonOf } from "./errors.js";

/** How long the second connection may take to answer; behind a pooler it may have to wait for a free one. */
const ANSWER_SECONDS = 10;

/**
 * Does what migration 004 needs but a transaction could do only by blocking writers: enters the events from before 003
 * in the register of ids, and creates the index of each partition that becomes its primary key. It may be interrupted
 * and run again.
 * @param settings for a separate connection, because it works outside a transaction
 * @param role role to switch to first, if any
 */
export async function carryOver(settings: pg.ClientConfig, role: string | undefined): Promise<void> {
  const client = new pg.Client(settings);
  client.on("error", () => undefined);
  try {
    for (const name of await firstAnswer(client)) {
      // Only for this transaction: behind a pooler the next statement may run on another connection.
      await client.query("BEGIN; SET LOCAL statement_timeout = 0");
      if (role !== undefined) await client.query(`SET LOCAL ROLE ${client.escapeIdentifier(role)}`);
      await client.query(
        `INSERT INTO audit.ids (bucket, id, application, occurred_at)
           SELECT audit.bucket_of(id), id, application, occurred_at FROM audit.${client.escapeIdentifier(name)}
         ON CONFLICT DO NOTHING`,
      );
      await client.query("COMMIT");
      await makeIndex(client, name);
    }
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** The partitions' names. @throws {UserError} if this second connection cannot be opened */
async function firstAnswer(client: pg.Client): Promise<string[]> {
  try {
    await client.connect();
    const { rows } = await client.query<{ name: string }>({
      text: "SELECT relname AS name FROM pg_inherits JOIN pg_class ON oid = inhrelid WHERE inhparent = 'audit.events'::regclass",
      query_timeout: ANSWER_SECONDS * 1000,
    } as pg.QueryConfig);
    return rows.map(({ name }) => name);
  } catch (error) {
    throw new UserError(
      `migrate: version 4 needs a second connection beside the one that migrates: ${reasonOf(error)}; allow this login two (CONNECTION LIMIT, pgbouncer's default_pool_size) and run \`migrate\` again`,
    );
  }
}

async function makeIndex(client: pg.Client, partition: string): Promise<void> {
  const [table, index] = [partition, `${partition}_key`].map((name) => `audit.${client.escapeIdentifier(name)}`);
  const { rows } = await client.query<{ valid: boolean }>(
    "SELECT indisvalid AS valid FROM pg_index WHERE indexrelid = to_regclass($1)",
    [index],
  );
  if (rows[0]?.valid === true) return;
  // An interrupted build leaves an invalid index behind.
  if (rows.length > 0) await client.query(`DROP INDEX CONCURRENTLY ${index}`);
  const name = client.escapeIdentifier(`${partition}_key`);
  try {
    await client.query(`CREATE UNIQUE INDEX CONCURRENTLY ${name} ON ${table} (occurred_at, id, application)`);
  } catch (error) {
    if ((error as { code?: string }).code !== "57014") throw error;
    throw new UserError(
      `the index ${name} took longer than the statement_timeout of this login; take that away (ALTER ROLE … SET statement_timeout = 0) and run \`migrate\` again`,
    );
  }
}
