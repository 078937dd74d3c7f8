import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import pg from "pg";
import Postgrator from "postgrator";
import { type Config, readConfig } from "./config.js";
import { readEnv } from "./env.js";
import { UserError, reasonOf } from "./errors.js";
import { clientConfig } from "./storage.js";

/** Held while migrating: a second `migrate` waits for the first and then finds nothing to do. */
const LOCK = "7305204801000000";

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

/**
 * Brings the database to the newest schema, makes coming partitions, applies retention and grants the runtime role its
 * rights. Each migration is a transaction of its own.
 * @returns how many migrations were pending
 * @throws {UserError} what the database refused
 */
export async function migrate(config: Config, { check, print }: MigrateOptions): Promise<number> {
  const client = new pg.Client(clientConfig(config.database, "audit-svc migrate"));
  client.on("error", () => undefined);
  try {
    await client.connect();
  } catch (error) {
    throw new UserError(`database: ${reasonOf(error)}`);
  }
  try {
    if (config.ownerRole !== undefined) await client.query(`SET ROLE ${client.escapeIdentifier(config.ownerRole)}`);
    if (!check) await client.query(`SELECT pg_advisory_lock(${LOCK})`);
    const postgrator = new Postgrator({
      driver: "pg",
      database: config.database.name,
      migrationPattern: `${migrationsDirectory()}/*.sql`,
      schemaTable: "audit.schema_migrations",
      execQuery: (query) => client.query(query),
    });
    const current = await postgrator.getDatabaseVersion();
    const migrations = (await postgrator.getMigrations()).filter((m) => m.action === "do" && m.version > current);
    migrations.sort((a, b) => a.version - b.version);
    if (check) {
      for (const m of migrations) print(`pending: ${m.version} ${m.name}`);
      print(`schema version ${current}, ${migrations.length} pending`);
      return migrations.length;
    }
    for (const m of migrations) {
      await inTransaction(client, () => postgrator.migrate(String(m.version)));
      print(`applied: ${m.version} ${m.name}`);
    }
    // Also with nothing pending: it compares what was applied with the files.
    if (migrations.length === 0) await postgrator.migrate();
    await inTransaction(client, () => maintain(client, config, print));
    print(`schema version ${await postgrator.getDatabaseVersion()}`);
    return migrations.length;
  } catch (error) {
    if (error instanceof UserError) throw error;
    const { code, hint } = error as { code?: string; hint?: string };
    throw new UserError(
      `migrate: ${reasonOf(error)}${code === undefined ? "" : ` (${code})`}${hint === undefined ? "" : `; ${hint}`}`,
    );
  } finally {
    await client.end().catch(() => undefined);
  }
}

async function maintain(client: pg.Client, config: Config, print: (line: string) => void): Promise<void> {
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

async function inTransaction(client: pg.Client, work: () => Promise<unknown>): Promise<void> {
  await client.query("BEGIN");
  try {
    await work();
    await client.query("COMMIT");
  } catch (error) {
    await client.query("ROLLBACK").catch(() => undefined);
    throw error;
  }
}
