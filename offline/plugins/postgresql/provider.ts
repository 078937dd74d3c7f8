import type * as postgresql from "@pulumi/postgresql";
import sdk from "@pulumi/postgresql/package.json" with { type: "json" };
import { defineProvider } from "../framework/index.js";
import { Server, UNKNOWN_VERSION } from "./connection.js";
import { database } from "./database.js";
import { defaultPrivileges } from "./default-privileges.js";
import { grantRole } from "./grant-role.js";
import { grant } from "./grant.js";
import { role } from "./role.js";
import { schema } from "./schema.js";

/** An environment variable that is set to something. */
function variable(name: string): string | undefined {
  const value = process.env[name];
  return value === undefined || value === "" ? undefined : value;
}

function numberVariable(name: string, otherwise: number): number {
  const value = Number(variable(name) ?? otherwise);
  if (!Number.isInteger(value)) throw new Error(`${name}: "${process.env[name] ?? ""}" is not a whole number`);
  return value;
}

export const postgresqlProvider = defineProvider<typeof postgresql.Provider, Server>({
  name: "postgresql",
  version: sdk.version,
  config: {
    host: { default: () => variable("PGHOST") },
    port: { json: true, default: () => numberVariable("PGPORT", 5432) },
    database: { default: () => variable("PGDATABASE") ?? "postgres" },
    username: { default: () => variable("PGUSER") ?? "postgres" },
    password: { secret: true, default: () => variable("PGPASSWORD") },
    sslmode: { default: () => variable("PGSSLMODE") },
    sslrootcert: {},
    databaseUsername: {},
    superuser: {
      json: true,
      default: () => !["false", "0", "f"].includes((variable("PGSUPERUSER") ?? "true").toLowerCase()),
    },
    connectTimeout: { json: true, default: () => numberVariable("PGCONNECT_TIMEOUT", 180) },
    maxConnections: { json: true, default: 20 },
    expectedVersion: { default: UNKNOWN_VERSION },
  },
  // Nothing connects here: an unreachable server shows at the first resource.
  configure: (config) =>
    new Server({
      host: config.host ?? "localhost",
      port: config.port ?? 5432,
      username: config.username ?? "postgres",
      password: config.password ?? "",
      database: config.database ?? "postgres",
      sslmode: config.sslmode ?? "",
      sslrootcert: config.sslrootcert ?? "",
      superuser: config.superuser ?? true,
      connectTimeout: config.connectTimeout ?? 180,
      maxConnections: config.maxConnections ?? 20,
      expectedVersion: config.expectedVersion ?? UNKNOWN_VERSION,
      databaseUsername: config.databaseUsername ?? "",
    }),
  resources: [database, defaultPrivileges, grant, grantRole, role, schema],
});
