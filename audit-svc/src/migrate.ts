import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import pg from "pg";
import Postgrator from "postgrator";
import { type Config, readConfig } from "./config.js";
import { UnconfirmedCommit, supervise } from "./connections.js";
import { readEnv } from "./env.js";
import { UserError, reasonOf } from "./errors.js";
import { clientConfig, requireUtf8 } from "./storage.js";

/** Held by each transaction of `migrate`: a second one waits for it and then finds its work done. */
const LOCK = "7305204801000000";

/** How long a commit may wait for a synchronous standby. */
const COMMIT_SECONDS = 60;

/** Whatever the role, the database or a pooler has set. */
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
  /** Only say what is pending. */
  readonly check: boolean;
  readonly print: (line: string) => void;
}

/** Directory of the migrations: beside the bundle in the image, beside src/ in the working tree. */
export function migrationsDirectory(): string {
  for (const candidate of ["./migrations", "../migrations"]) {
    const path = fileURLToPath(new URL(candidate, import.meta.url));
    if (existsSync(path)) return path;
  }
  throw new Error("the migrations are missing beside the program");
}

/** `migrate [--check]`. Resolves to the exit code: 0 done or nothing pending, 3 when `--check` found something pending. */
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
 * Brings the database to the newest schema, makes coming partitions, applies retention and grants the runtime role its
 * rights. Each migration is a transaction of its own.
 * @returns how many migrations were pending
 * @throws {UserError} what the database refused
 */
export async function migrate(config: Config, { check, print }: MigrateOptions): Promise<number> {
  const settings = clientConfig(config.database, "audit-svc migrate");
  const client = new pg.Client(settings);
  client.on("error", () => undefined);
  try {
    await client.connect();
  } catch (error) {
    throw new UserError(`database: ${reasonOf(error)}`);
  }
  const transaction = <T>(work: () => Promise<T>): Promise<T> => inTransaction(client, settings, config, work);
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
    for (;;) {
      const next = await transaction(async () => {
        const [found] = (await client.query<{ encoding: string }>("SELECT current_setting('server_encoding') AS encoding")).rows; // prettier-ignore
        requireUtf8(found?.encoding);
        const [first] = (await pending()).migrations;
        // Also with nothing pending: it compares what was applied with the files.
        await postgrator.migrate(first === undefined ? "" : String(first.version));
        return first;
      });
      if (next === undefined) break;
      print(`applied: ${next.version} ${next.name}`);
      applied += 1;
    }
    await transaction(() => maintain(client, config, print));
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

async function maintain(client: pg.Client, config: Config, print: (line: string) => void): Promise<void> {
  // With nothing to do the commit would not wait for a standby, and an earlier run's may not have waited to the end.
  await client.query("SELECT pg_logical_emit_message(true, 'audit', '')");
  const made = await client.query<{ n: number }>("SELECT audit.ensure_partitions() AS n");
  print(`partitions made: ${made.rows[0]?.n ?? 0}`);
  if (config.retentionDays !== undefined) {
    const dropped = await client.query<{ n: number }>(
      "SELECT audit.drop_before(now() - make_interval(days => $1)) AS n",
      [config.retentionDays],
    );
    print(`partitions dropped: ${dropped.rows[0]?.n ?? 0}`);
  }
  if (config.runtimeRole === undefined) {
    print("no runtimeRole given: nothing granted");
    return;
  }
  const role = client.escapeIdentifier(config.runtimeRole);
  await client.query(`
    GRANT USAGE ON SCHEMA audit TO ${role};
    GRANT SELECT, INSERT ON audit.events, audit.event_ids TO ${role};
    GRANT SELECT ON audit.schema_migrations TO ${role};
    GRANT EXECUTE ON FUNCTION audit.ensure_partitions() TO ${role}`);
  print(`granted to ${config.runtimeRole}: select, insert`);
}

/**
 * Runs work in a transaction, by default alone among all that migrate. What it needs of the session it sets for the transaction alone, and
 * so is the lock taken: a pooler may give each transaction to another connection.
 * @throws {UnconfirmedCommit} when the commit is not confirmed by a synchronous standby within {@link COMMIT_SECONDS}
 */
async function inTransaction<T>(
  client: pg.Client,
  settings: pg.ClientConfig,
  { ownerRole }: Config,
  work: () => Promise<T>,
  alone = true,
): Promise<T> {
  await client.query("BEGIN ISOLATION LEVEL READ COMMITTED");
  let result: T;
  try {
    await client.query(SESSION);
    if (ownerRole !== undefined) await client.query(`SET LOCAL ROLE ${client.escapeIdentifier(ownerRole)}`);
    if (alone) await client.query(`SELECT pg_advisory_xact_lock(${LOCK})`);
    result = await work();
  } catch (error) {
    await client.query("ROLLBACK").catch(() => undefined);
    throw error;
  }
  await supervise(client, settings, COMMIT_SECONDS, () => client.query("COMMIT"));
  return result;
}
