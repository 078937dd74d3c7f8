import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type pg from "pg";
import Postgrator from "postgrator";
import { carryOver } from "./carry-over.js";
import { type Config, readConfig } from "./config.js";
import { UnconfirmedCommit, connectPatiently, supervise } from "./connections.js";
import { readEnv } from "./env.js";
import { UserError, reasonOf } from "./errors.js";
import { clientConfig, requireUtf8 } from "./storage.js";
import { takeIn } from "./take-in.js";

/** Advisory lock of each `migrate` transaction: a second `migrate` waits for it and then finds the work done. */
const LOCK = "7305204801000000";

/** Seconds in which the first connection may be tried again. */
const CONNECT_SECONDS = 15;

/** How often to retry a transaction that does not get its locks or conflicts with another. */
const LOCK_TRIES = 60;

/** How long a commit may wait for a synchronous standby. */
const COMMIT_SECONDS = 60;

/** Overrides what the role, the database or a pooler has set. */
const SESSION = Object.entries({
  search_path: "pg_catalog, pg_temp",
  standard_conforming_strings: "on",
  TimeZone: "'UTC'",
  DateStyle: "'ISO'",
  client_min_messages: "warning",
  statement_timeout: "0",
  lock_timeout: "0",
  idle_in_transaction_session_timeout: "0",
})
  .map(([name, value]) => `SET LOCAL ${name} = ${value}`)
  .join("; ");

export interface MigrateOptions {
  /** Only report what is pending. */
  readonly check: boolean;
  readonly print: (line: string) => void;
}

/** Directory of the migrations: next to the bundle in the image, next to src/ in the working tree. */
export function migrationsDirectory(): string {
  for (const candidate of ["./migrations", "../migrations"]) {
    const path = fileURLToPath(new URL(candidate, import.meta.url));
    if (existsSync(path)) return path;
  }
  throw new Error("the migrations are missing beside the program");
}

/**
 * `migrate [--check]`. Resolves to the exit code: 0 if done or nothing is pending, 3 if `--check` found something
 * pending.
 */
export async function migrateCommand(args: readonly string[]): Promise<number> {
  const check = args.includes("--check");
  const unknown = args.find((arg) => arg !== "--check");
  if (unknown !== undefined) throw new UserError(`migrate: unknown argument "${unknown}"; only --check is known.`);
  const config = await readConfig(readEnv().configFile);
  const pending = await migrate(config, { check, print: (line) => process.stdout.write(`${line}\n`) });
  return check && pending > 0 ? 3 : 0;
}

type Migration = Awaited<ReturnType<Postgrator["getMigrations"]>>[number];

/**
 * Migrates the database to the newest schema, creates coming partitions, applies retention and grants the runtime role
 * its rights. Each migration is a separate transaction.
 * @returns how many migrations were pending
 * @throws {UserError} saying what the database refused
 */
export async function migrate(config: Config, { check, print }: MigrateOptions): Promise<number> {
  const settings = clientConfig(config.database, "audit-svc migrate");
  const client = await connectPatiently(settings, CONNECT_SECONDS).catch((error: unknown) => {
    throw new UserError(`database: ${reasonOf(error)}`);
  });
  const transaction = async <T>(work: () => Promise<T>): Promise<T> => {
    for (let tries = 1; ; tries++) {
      try {
        return await inTransaction(client, settings, config, work);
      } catch (error) {
        const { code } = error as { code?: string };
        if ((code !== "55P03" && code !== "40P01") || tries === LOCK_TRIES) throw error;
        await pause(1000);
      }
    }
  };
  const postgrator = new Postgrator({
    driver: "pg",
    migrationPattern: `${migrationsDirectory()}/*.sql`,
    schemaTable: "audit.schema_migrations",
    execQuery: (query) => client.query(query),
  });
  const pending = async (): Promise<{ current: number; migrations: Migration[] }> => {
    const current = await postgrator.getDatabaseVersion();
    const migrations = (await postgrator.getMigrations()).filter((m) => m.action === "do" && m.version > current);
    return { current, migrations: migrations.sort((a, b) => a.version - b.version) };
  };
  try {
    if (check) {
      const { current, migrations } = await inTransaction(client, settings, config, pending, false);
      for (const m of migrations) print(`pending: ${m.version} ${m.name}`);
      print(`schema version ${current}, ${migrations.length} pending`);
      return migrations.length;
    }
    let applied = 0;
    const prepared = new Set<number>();
    const from = (await transaction(pending)).current;
    for (;;) {
      const next = await transaction(async () => {
        const [found] = (await client.query<{ encoding: string }>("SELECT current_setting('server_encoding') AS encoding")).rows; // prettier-ignore
        requireUtf8(found?.encoding);
        const [first] = (await pending()).migrations;
        // Within the transaction, whose lock keeps another migrate away from the same indexes. Not repeated if the
        // transaction is retried.
        if (first !== undefined && from > 0 && !prepared.has(first.version)) {
          if (first.version === 4) await carryOver(settings, config.ownerRole);
          if (first.version === 4) print("carried over: ids and indexes");
          if (first.version === 6) await takeIn(settings, config.ownerRole, print);
          prepared.add(first.version);
        }
        // Run even if nothing is pending: it compares the applied migrations with the files.
        await postgrator.migrate(first === undefined ? "" : String(first.version));
        return first;
      });
      if (next === undefined) break;
      print(`applied: ${next.version} ${next.name}`);
      applied += 1;
    }
    await transaction(() => maintain(client, config, from === 0, print));
    print(`schema version ${(await transaction(pending)).current}`);
    return applied;
  } catch (error) {
    if (error instanceof UserError) throw error;
    if (error instanceof UnconfirmedCommit)
      throw new UserError(`migrate: ${error.message}; run it again once the standby is back.`);
    const { code, hint } = error as { code?: string; hint?: string };
    throw new UserError(
      `migrate: ${reasonOf(error)}${code === undefined ? "" : ` (${code})`}${hint === undefined ? "" : `; ${hint}`}`,
    );
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** @param made whether this run created the schema, so that there is no previous release */
async function maintain(
  client: pg.Client,
  config: Config,
  made: boolean,
  print: (line: string) => void,
): Promise<void> {
  // Writes to the WAL: without a change the commit would not wait for a standby, and an earlier run may not have waited
  // to the end.
  await client.query("SELECT pg_logical_emit_message(true, 'audit', '')");
  const partitions = await client.query<{ n: number }>("SELECT audit.ensure_partitions() AS n");
  print(`partitions made: ${partitions.rows[0]?.n ?? 0}`);
  // What the previous release needs stays for a day, in case the deploy fails, is repeated, or is rolled back.
  const version4 = await client.query<{ settled: boolean }>(
    "SELECT run_at < now() - interval '1 day' AS settled FROM audit.schema_migrations WHERE version = 4",
  );
  const settled = made || version4.rows[0]?.settled === true;
  if (config.retentionDays !== undefined) {
    const dropped = await client.query<{ n: number }>(
      "SELECT audit.drop_before(now() - make_interval(days => $1)) AS n",
      [config.retentionDays],
    );
    print(`partitions dropped: ${dropped.rows[0]?.n ?? 0}`);
  }
  if (settled) await client.query("DROP TABLE IF EXISTS audit.event_ids; DROP FUNCTION IF EXISTS audit.moved()");
  if (config.runtimeRole === undefined) {
    print("no runtimeRole given: nothing granted");
    return;
  }
  const role = client.escapeIdentifier(config.runtimeRole);
  await client.query(`
    GRANT USAGE ON SCHEMA audit TO ${role};
    GRANT SELECT ON audit.events, audit.ids, audit.schema_migrations, audit.log_state, audit.log_entries,
                    audit.log_hashes, audit.log_checkpoints TO ${role};
    GRANT EXECUTE ON FUNCTION audit.ensure_partitions(), audit.store, audit.log_sequence, audit.log_add_hashes,
                              audit.log_keep TO ${role}`);
  if (settled) await client.query(`REVOKE INSERT ON audit.events FROM ${role}`);
  print(`granted to ${config.runtimeRole}: select, and to store by audit.store`);
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/**
 * Runs work in a transaction, by default alone among all `migrate` processes. Session settings and the lock apply only
 * to the transaction, because a pooler may run each transaction on another connection.
 * @throws {UnconfirmedCommit} if the commit is not confirmed by a synchronous standby within {@link COMMIT_SECONDS}
 */
async function inTransaction<T>(
  client: pg.Client,
  settings: pg.ClientConfig,
  { ownerRole }: Config,
  work: () => Promise<T>,
  alone = true,
): Promise<T> {
  const begin = async (): Promise<boolean> => {
    await client.query("BEGIN ISOLATION LEVEL READ COMMITTED");
    await client.query(SESSION);
    if (ownerRole !== undefined) await client.query(`SET LOCAL ROLE ${client.escapeIdentifier(ownerRole)}`);
    // Does not wait in the server: CREATE INDEX CONCURRENTLY waits for all running statements, including this one.
    const { rows } = await client.query<{ mine: boolean }>(`SELECT pg_try_advisory_xact_lock(${LOCK}) AS mine`);
    return rows[0]?.mine === true;
  };
  let result: T;
  try {
    for (; !(await begin()) && alone; await pause(200)) await client.query("ROLLBACK");
    // A statement that waits for a lock blocks everybody behind it; it is better to give up, let them pass, and retry.
    await client.query("SET LOCAL lock_timeout = '2s'");
    result = await work();
  } catch (error) {
    await client.query("ROLLBACK").catch(() => undefined);
    throw error;
  }
  await supervise(client, settings, COMMIT_SECONDS, () => client.query("COMMIT"));
  return result;
}
