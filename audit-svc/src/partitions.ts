import pg from "pg";
import { UserError, reasonOf } from "./errors.js";

/** How long the second connection may take to answer; behind a pooler it may have to wait for a free one. */
const ANSWER_SECONDS = 10;

/**
 * Does work for each partition of the events over a separate connection, because it works outside a transaction.
 * @param version of the schema that needs this, for messages
 * @throws {UserError} if this second connection cannot be opened
 */
export async function eachPartition(
  settings: pg.ClientConfig,
  version: number,
  work: (client: pg.Client, partition: string) => Promise<void>,
): Promise<void> {
  const client = new pg.Client(settings);
  client.on("error", () => undefined);
  try {
    for (const name of await firstAnswer(client, version)) await work(client, name);
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** Runs one transaction without a limit of time. @param role role to switch to first, if any */
export async function inOne<T>(client: pg.Client, role: string | undefined, work: () => Promise<T>): Promise<T> {
  // Only for this transaction: behind a pooler the next statement may run on another connection.
  await client.query("BEGIN; SET LOCAL statement_timeout = 0");
  if (role !== undefined) await client.query(`SET LOCAL ROLE ${client.escapeIdentifier(role)}`);
  const result = await work();
  await client.query("COMMIT");
  return result;
}

/**
 * Makes an index of a partition without locking writers out. An earlier attempt may have been interrupted.
 * @param name what its name has after the partition's
 * @param definition `INDEX` or `UNIQUE INDEX`, and its columns
 */
export async function makeIndex(
  client: pg.Client,
  partition: string,
  name: string,
  definition: readonly ["INDEX" | "UNIQUE INDEX", string],
): Promise<void> {
  const [table, index] = [partition, `${partition}_${name}`].map((own) => `audit.${client.escapeIdentifier(own)}`);
  const { rows } = await client.query<{ valid: boolean }>(
    "SELECT indisvalid AS valid FROM pg_index WHERE indexrelid = to_regclass($1)",
    [index],
  );
  if (rows[0]?.valid === true) return;
  // An interrupted build leaves an invalid index behind.
  if (rows.length > 0) await client.query(`DROP INDEX CONCURRENTLY ${index}`);
  const own = client.escapeIdentifier(`${partition}_${name}`);
  const [kind, columns] = definition;
  try {
    await client.query(`CREATE ${kind} CONCURRENTLY ${own} ON ${table} (${columns})`);
  } catch (error) {
    if ((error as { code?: string }).code !== "57014") throw error;
    throw new UserError(
      `the index ${own} took longer than the statement_timeout of this login; take that away (ALTER ROLE … SET statement_timeout = 0) and run \`migrate\` again`,
    );
  }
}

async function firstAnswer(client: pg.Client, version: number): Promise<string[]> {
  try {
    await client.connect();
    const { rows } = await client.query<{ name: string }>({
      text: "SELECT relname AS name FROM pg_inherits JOIN pg_class ON oid = inhrelid WHERE inhparent = 'audit.events'::regclass ORDER BY 1",
      query_timeout: ANSWER_SECONDS * 1000,
    } as pg.QueryConfig);
    return rows.map(({ name }) => name);
  } catch (error) {
    throw new UserError(
      `migrate: version ${version} needs a second connection beside the one that migrates: ${reasonOf(error)}; allow this login two (CONNECTION LIMIT, pgbouncer's default_pool_size) and run \`migrate\` again`,
    );
  }
}
