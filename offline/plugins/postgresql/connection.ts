import { readFileSync } from "node:fs";
import { isIPv6 } from "node:net";
import { checkServerIdentity, type ConnectionOptions } from "node:tls";
import pg from "pg";
import { driverMessage, explained } from "./sql.js";

/** The provider's settings, with the genuine plugin's defaults filled in. */
export interface ConnectionSettings {
  readonly host: string;
  readonly port: number;
  readonly username: string;
  readonly password: string;
  /** The database to work from; resources name others. */
  readonly database: string;
  /** disable, allow, prefer, require, verify-ca or verify-full; empty: require. */
  readonly sslmode: string;
  readonly sslrootcert: string;
  /** Whether passwords may be read back: the user is a superuser. */
  readonly superuser: boolean;
  /** Seconds. */
  readonly connectTimeout: number;
  /** How many connections at once; 0: any number. */
  readonly maxConnections: number;
  /** The server's version; `9.0.0`, the default, means to ask the server. */
  readonly expectedVersion: string;
  /** The user's name inside the database, where a map of names changes it. */
  readonly databaseUsername: string;
}

export const UNKNOWN_VERSION = "9.0.0";

/** Something that runs SQL: a connection, inside a transaction or not. */
export interface Queryable {
  query<R extends pg.QueryResultRow>(text: string, values?: readonly unknown[]): Promise<{ rows: R[] }>;
}

type TlsAttempt = ConnectionOptions | false;

function tlsAttempts(settings: ConnectionSettings): TlsAttempt[] {
  const ca = settings.sslrootcert === "" ? undefined : readFileSync(settings.sslrootcert, "utf8");
  const unchecked: TlsAttempt = { rejectUnauthorized: false };
  const signedOnly: TlsAttempt = { rejectUnauthorized: true, checkServerIdentity: () => undefined, ...(ca && { ca }) };
  switch (settings.sslmode) {
    case "disable":
      return [false];
    case "allow":
      return [false, unchecked];
    case "prefer":
      return [unchecked, false];
    case "":
    case "require":
      // With a root certificate, require means verify-ca: libpq's rule for backwards compatibility, kept by the driver.
      return [ca === undefined ? unchecked : signedOnly];
    case "verify-ca":
      return [signedOnly];
    case "verify-full":
      return [{ rejectUnauthorized: true, checkServerIdentity, ...(ca && { ca }) }];
    default:
      throw new Error(
        `pq: wrong value for "sslmode": "${settings.sslmode}" is not supported; supported values are disable, allow, prefer, require, verify-full, verify-ca`,
      );
  }
}

async function askVersion(client: pg.Client): Promise<number> {
  const { rows } = await client.query<{ version: string }>("SELECT current_setting('server_version_num') AS version");
  return Math.floor(Number(rows[0]?.version) / 10_000);
}

/** The server. Connections are opened when they are needed and closed at once, so that none is in the way of a DROP DATABASE. */
export class Server {
  /** Per database, as the genuine plugin keeps a pool for each. */
  private readonly slots = new Map<string, { open: number; waiting: (() => void)[] }>();
  private version: number | undefined;

  /** @throws Error for an IPv6 address without brackets: the genuine plugin builds a URL of it, and then asks another address */
  constructor(readonly settings: ConnectionSettings) {
    if (isIPv6(settings.host)) {
      throw new Error(
        `sandbox stand-in: postgresql Provider wants host ${settings.host} in brackets, [${settings.host}]`,
      );
    }
  }

  /** The connected user's name as the database knows it. */
  get user(): string {
    return this.settings.databaseUsername || this.settings.username;
  }

  /** Runs `work` on a connection of its own, outside of a transaction. */
  async connected<T>(database: string | undefined, work: (connection: Queryable) => Promise<T>): Promise<T> {
    const name = database ?? this.settings.database;
    await this.take(name);
    try {
      const client = await this.connect(name);
      try {
        return await work(client);
      } finally {
        await client.end().catch(() => undefined);
      }
    } finally {
      this.release(name);
    }
  }

  /** Runs `work` in a transaction; commits when it returns, rolls back when it throws. */
  async transaction<T>(database: string | undefined, work: (transaction: Queryable) => Promise<T>): Promise<T> {
    return this.connected(database, async (connection) => {
      await connection.query("BEGIN");
      let result: T;
      try {
        result = await work(connection);
      } catch (error) {
        // The connection may be what broke; the error to show is the first one.
        await connection.query("ROLLBACK").catch(() => undefined);
        throw error;
      }
      await explained("could not commit transaction", () => connection.query("COMMIT"));
      return result;
    });
  }

  /** The server's major version: what `expectedVersion` says, or what the server answered at the first connection. */
  async majorVersion(): Promise<number> {
    const expected = this.settings.expectedVersion;
    if (expected !== UNKNOWN_VERSION) return Number.parseInt(expected, 10);
    if (this.version === undefined) await this.connected(undefined, () => Promise.resolve());
    return this.version ?? 0;
  }

  private async connect(database: string): Promise<pg.Client> {
    const { host, port, username, password, connectTimeout } = this.settings;
    let failure: unknown;
    try {
      for (const ssl of tlsAttempts(this.settings)) {
        const client = new pg.Client({
          host: host.replace(/^\[(.*)\]$/, "$1"),
          port,
          user: username,
          password,
          database,
          ssl,
          connectionTimeoutMillis: connectTimeout * 1000,
          fallback_application_name: "Terraform provider",
        });
        // Without a listener, a server that goes away between two queries ends the whole process.
        client.on("error", () => undefined);
        try {
          await client.connect();
          this.version ??= await askVersion(client);
          return client;
        } catch (error) {
          failure = error;
          await client.end().catch(() => undefined);
        }
      }
    } catch (error) {
      failure = error;
    }
    const reason = driverMessage(failure)
      .replace(/^The server does not support SSL connections$/, "pq: SSL is not enabled on the server")
      .replaceAll(password === "" ? "\0" : password, "XXXX");
    throw new Error(`error connecting to PostgreSQL server ${host} (scheme: postgres): ${reason}`);
  }

  private async take(database: string): Promise<void> {
    const limit = this.settings.maxConnections;
    const slot = this.slots.get(database) ?? { open: 0, waiting: [] };
    this.slots.set(database, slot);
    while (limit > 0 && slot.open >= limit) await new Promise<void>((resolve) => slot.waiting.push(resolve));
    slot.open += 1;
  }

  private release(database: string): void {
    const slot = this.slots.get(database);
    if (slot === undefined) return;
    slot.open -= 1;
    slot.waiting.shift()?.();
  }
}
