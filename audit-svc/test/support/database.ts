import { randomBytes } from "node:crypto";
import pg from "pg";
import { type Config, type DatabaseConfig, parseConfig } from "../../src/config.js";
import { migrate } from "../../src/migrate.js";
import { type PostgresServer, sharedServer, withDatabase } from "./postgres.js";

/** A test's own database, with an owner, a runtime group role, and a login role in that group. */
export interface TestDatabase {
  readonly server: PostgresServer;
  readonly name: string;
  readonly owner: DatabaseConfig;
  readonly runtime: DatabaseConfig;
  /** The NOLOGIN group role. */
  readonly runtimeRole: string;
  /** As superuser, in this database. */
  query<T extends pg.QueryResultRow = Record<string, unknown>>(sql: string, values?: unknown[]): Promise<T[]>;
  /** Adds another login role to the runtime group, as in a rotation. */
  addLogin(): Promise<DatabaseConfig>;
  /** Ids of all events, with the number of rows for each. */
  stored(): Promise<Map<string, number>>;
  drop(): Promise<void>;
}

/** Creates a database and, by default, migrates it. */
export async function createDatabase(
  options: { server?: PostgresServer; migrated?: boolean } = {},
): Promise<TestDatabase> {
  const server = options.server ?? (await sharedServer());
  const id = randomBytes(5).toString("hex");
  const [name, ownerRole, runtimeRole] = [`audit_${id}`, `owner_${id}`, `runtime_${id}`];
  const logins: string[] = [];
  const admin = async (database: string, sql: string, values?: unknown[]): Promise<pg.QueryResult> => {
    const client = new pg.Client({ connectionString: withDatabase(server.url, database) });
    client.on("error", () => undefined);
    await client.connect();
    try {
      return await client.query(sql, values);
    } finally {
      await client.end();
    }
  };
  const { hostname, port } = new URL(server.url);
  const settings = (user: string): DatabaseConfig => ({
    host: hostname,
    port: Number(port),
    name,
    user,
    password: `secret-${id}`,
    sslmode: "disable",
  });
  const addLogin = async (): Promise<DatabaseConfig> => {
    const user = `login_${id}_${logins.length}`;
    logins.push(user);
    await admin("postgres", `CREATE ROLE ${user} LOGIN PASSWORD 'secret-${id}' IN ROLE ${runtimeRole}`);
    return settings(user);
  };

  await admin("postgres", `CREATE ROLE ${ownerRole} LOGIN PASSWORD 'secret-${id}'; CREATE ROLE ${runtimeRole} NOLOGIN`);
  await admin("postgres", `CREATE DATABASE ${name} OWNER ${ownerRole}`);
  const owner = settings(ownerRole);
  const database: TestDatabase = {
    server,
    name,
    owner,
    runtime: await addLogin(),
    runtimeRole,
    query: async (sql, values) => (await admin(name, sql, values)).rows as never,
    addLogin,
    async stored() {
      const rows = await database.query<{ id: string; n: string }>(
        "SELECT id, count(*) AS n FROM audit.events GROUP BY id",
      );
      return new Map(rows.map((row) => [row.id, Number(row.n)]));
    },
    async drop() {
      await admin("postgres", `DROP DATABASE ${name} WITH (FORCE)`);
      for (const role of [...logins, ownerRole, runtimeRole]) await admin("postgres", `DROP ROLE IF EXISTS ${role}`);
    },
  };
  if (options.migrated !== false)
    await migrate(configOf({ database: owner, runtimeRole }), { check: false, print: () => undefined });
  return database;
}

/** A configuration as the service reads it from a file with this content. */
export function configOf(content: object): Config {
  return parseConfig(Buffer.from(JSON.stringify(content)));
}
