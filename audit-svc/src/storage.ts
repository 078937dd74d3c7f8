import type pg from "pg";
import type { FastifyBaseLogger } from "fastify";
import { batchOf } from "./batch.js";
import { checkEvents } from "./body.js";
import type { Config, DatabaseConfig } from "./config.js";
import { Connections } from "./connections.js";
import { tlsOf } from "./database-tls.js";
import { UserError, reasonOf } from "./errors.js";
import { storeBatches } from "./event-writer.js";
import { LogLimit } from "./log-limit.js";
import type { Metrics } from "./metrics.js";

/** The schema version that this program needs: the number of the newest file in migrations/. */
export const SCHEMA_VERSION = 7;

/** What {@link Storage.testWrite} stores and rolls back. */
const TEST_EVENT = {
  application: "audit-svc",
  actor: "audit-svc",
  action: "test-write",
  resource: "events",
  outcome: "success",
};

/**
 * Connection settings for `pg`, from the configuration. They contain no session settings, neither in `options` nor by
 * name: a pooler refuses or drops those, so every statement must be correct without them.
 */
export function clientConfig(database: DatabaseConfig, application: string): pg.ClientConfig {
  return {
    host: database.host,
    port: database.port,
    database: database.name,
    user: database.user,
    password: database.password,
    ssl: tlsOf(database),
    application_name: application,
    connectionTimeoutMillis: 5_000,
    keepAlive: true,
  };
}

/** How to treat a database error. */
export type ErrorKind = "connection" | "timeout" | "conflict" | "partition" | "query";

/** Classifies an error: `connection` and `timeout` are worth a retry, `query` is not. */
export function kindOf(error: unknown): ErrorKind {
  const { code, message } = error as { code?: string; message?: string };
  if (code === "AU409") return "conflict";
  // Every SQLSTATE has a digit; Node's own codes, such as EPIPE, have none.
  if (code === undefined || !/^(?=.*\d)[0-9A-Z]{5}$/.test(code)) {
    return message?.includes("timeout") === true ? "timeout" : "connection";
  }
  if (code === "23514") return "partition";
  // 57014: cancelled; 55P03: lock_timeout.
  if (code === "57014" || code === "55P03") return "timeout";
  // Class 08, 57P and 25P: the connection is lost or closing; 53: no resources; 28: the role was just locked; 25006: a
  // read-only standby; 40: deadlock or serialization; 42501 and 3D: in the middle of a rotation.
  return /^(08|57|53|28|40|25006|25P|42501|3D)/.test(code) ? "connection" : "query";
}

/** @throws {UserError} if the database cannot store every character. @param encoding its `server_encoding` */
export function requireUtf8(encoding: string | undefined): void {
  if (encoding !== "UTF8")
    throw new UserError(
      `database: its encoding is ${encoding ?? "unknown"}, which cannot store every event; recreate it with ENCODING 'UTF8' TEMPLATE template0.`,
    );
}

/**
 * The database of one configuration: a pool for storing and one for reading. Lost idle connections are counted as
 * errors.
 */
export class Storage {
  readonly #writers: Connections;
  readonly #readers: Connections;
  schemaVersion = 0;
  #users = 0;
  #unused: (() => void) | undefined;
  /** When the database became unavailable; `undefined` while it answers. */
  #awaySince: number | undefined;
  readonly #limit = new LogLimit();

  constructor(
    readonly config: Config,
    readonly metrics: Metrics,
    readonly log: FastifyBaseLogger,
  ) {
    const base = clientConfig(config.database, "audit-svc");
    const { storeSeconds, writers, readers } = config.limits;
    const lost = (error: Error): void => void this.count(error);
    // One more connection than ingestion uses, for the probe.
    this.#writers = new Connections(base, storeSeconds * 2, writers + 1, lost);
    this.#readers = new Connections(base, 30, readers, lost);
  }

  /** Counts an error in the metrics, logs it, and returns its kind. */
  count(error: unknown): ErrorKind {
    const kind = kindOf(error);
    if (kind === "conflict") return kind;
    this.metrics.dbErrors.inc({ kind: kind === "partition" ? "query" : kind });
    const away = kind === "connection" || kind === "timeout";
    if (away) this.#awaySince ??= performance.now();
    const pass = this.#limit.pass(kind);
    const { code } = error as { code?: string };
    // Only a connection error is logged in full: a statement's error may quote a value.
    if (pass !== undefined)
      this.log.warn({ kind, code, reason: away ? reasonOf(error) : undefined, ...pass }, "database error");
    return kind;
  }

  /**
   * Checks that events can be stored: the connection, the schema's version, the rights, and that the server is not a
   * standby.
   * @throws {UserError} saying what is missing and how to fix it
   */
  async probe(): Promise<void> {
    let found: { known: boolean | null; may: boolean | null; standby: boolean; readOnly: boolean; encoding: string } | undefined; // prettier-ignore
    let version = 0;
    try {
      const result = await this.write((db) =>
        db.query<NonNullable<typeof found>>(
          `SELECT has_table_privilege(to_regclass('audit.schema_migrations'), 'SELECT') AS known,
                has_table_privilege(to_regclass('audit.events'), 'SELECT')
                  AND (SELECT has_function_privilege(oid, 'EXECUTE') FROM pg_proc
                        WHERE proname = 'store' AND pronamespace = to_regnamespace('audit')) AS may,
                pg_is_in_recovery() AS standby,
                current_setting('transaction_read_only')::boolean AS "readOnly",
                current_setting('server_encoding') AS encoding`,
        ),
      );
      found = result.rows[0];
      if (found?.known === true) {
        const newest = await this.write((db) =>
          db.query<{ v: number }>("SELECT max(version)::int AS v FROM audit.schema_migrations"),
        );
        version = newest.rows[0]?.v ?? 0;
      }
    } catch (error) {
      this.count(error);
      const denied = (error as { code?: string }).code === "42501";
      throw new UserError(
        `database: ${reasonOf(error)}${denied ? "; run `migrate` with runtimeRole set, and grant that role to this one" : ""}`,
      );
    }
    this.schemaVersion = version;
    if (version < SCHEMA_VERSION) {
      throw new UserError(
        `database: its schema has version ${version} and ${SCHEMA_VERSION} is needed; run \`migrate\` with this role granted.`,
      );
    }
    if (found?.may !== true)
      throw new UserError("database: this role may not insert events; run `migrate` with runtimeRole set.");
    if (found.standby) throw new UserError("database: the server is a read-only standby.");
    if (found.readOnly)
      throw new UserError(
        "database: its transactions are read-only; set default_transaction_read_only = off for the database and for this role.",
      );
    requireUtf8(found.encoding);
  }

  /** Creates missing partitions for the coming months. */
  async ensurePartitions(): Promise<void> {
    await this.write((db) => db.query("SELECT audit.ensure_partitions()"));
  }

  /**
   * Test write: stores an event over each connection of the writers' pool and rolls it back. It finds problems that no
   * check foresees before a client's first event does. It also warms the connections up: the first store on a new one
   * takes tens of milliseconds, in which PostgreSQL loads the tables, partitions and indexes into its caches, and all
   * events behind it would wait.
   */
  async testWrite(): Promise<void> {
    const { limits } = this.config;
    const store = async (db: pg.ClientBase): Promise<void> => {
      const event = { ...TEST_EVENT, occurredAt: new Date().toISOString() };
      const batch = batchOf(checkEvents([event], limits, undefined));
      await db.query("BEGIN");
      await storeBatches(db, [batch]);
      await db.query("ROLLBACK");
    };
    try {
      // Concurrently, so that each gets its own connection.
      const outcomes = await Promise.allSettled(Array.from({ length: limits.writers }, () => this.write(store)));
      for (const outcome of outcomes) if (outcome.status === "rejected") throw outcome.reason;
    } catch (error) {
      this.count(error);
      throw new UserError(`database: an event cannot be stored: ${reasonOf(error)}`);
    }
  }

  /** Size of the database, in bytes, and the moment up to which events have partitions, in ms since 1970. */
  async capacity(): Promise<{ bytes: number; partitionsEnd: number }> {
    const result = await this.write((db) =>
      db.query<{ bytes: string; month: string | null }>(
        // From the partitions' names, because the text of a bound depends on session settings.
        `SELECT pg_database_size(current_database()) AS bytes, max(right(relname, 7)) AS month
           FROM pg_class JOIN pg_inherits ON inhrelid = oid
          WHERE inhparent = 'audit.events'::regclass AND relname ~ '^events_[0-9]{4}_[0-9]{2}$'`,
      ),
    );
    const [row] = result.rows;
    const [year, month] = (row?.month ?? "").split("_").map(Number);
    return { bytes: Number(row?.bytes), partitionsEnd: Date.UTC(year ?? NaN, month ?? NaN) };
  }

  /** Runs a statement that stores. */
  write<T>(statement: (db: pg.ClientBase) => Promise<T>): Promise<T> {
    return this.#use(this.#writers, statement);
  }

  /** Runs a statement that reads. */
  read<T>(statement: (db: pg.ClientBase) => Promise<T>): Promise<T> {
    return this.#use(this.#readers, statement);
  }

  /** Runs a statement that nobody waits for, on a connection that reads use: it takes none from those that store. */
  background<T>(statement: (db: pg.ClientBase) => Promise<T>): Promise<T> {
    return this.#use(this.#readers, statement);
  }

  /** Connections by state, of both pools together. */
  get connections(): { idle: number; busy: number; waiting: number } {
    const [writers, readers] = [this.#writers.state, this.#readers.state];
    return {
      idle: writers.idle + readers.idle,
      busy: writers.busy + readers.busy,
      waiting: writers.waiting + readers.waiting,
    };
  }

  /** Waits for running statements, including those that wait for a connection, then closes all connections. */
  async close(): Promise<void> {
    // pg's own end() forgets statements that wait for a connection, and they would hang.
    if (this.#users > 0) await new Promise<void>((resolve) => (this.#unused = resolve));
    await Promise.all([this.#writers.close(), this.#readers.close()]);
  }

  async #use<T>(connections: Connections, statement: (db: pg.ClientBase) => Promise<T>): Promise<T> {
    this.#users += 1;
    try {
      const result = await connections.use(statement);
      if (this.#awaySince !== undefined) this.#answersAgain(this.#awaySince);
      return result;
    } finally {
      this.#users -= 1;
      if (this.#users === 0) this.#unused?.();
    }
  }

  #answersAgain(since: number): void {
    this.#awaySince = undefined;
    const pass = this.#limit.pass("answers");
    if (pass !== undefined)
      this.log.info({ seconds: Math.round((performance.now() - since) / 100) / 10, ...pass }, "the database answers");
  }
}
