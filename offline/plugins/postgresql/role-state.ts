import { createHash } from "node:crypto";
import type * as postgresql from "@pulumi/postgresql";
import type { StateOf } from "../framework/index.js";
import type { Queryable, Server } from "./connection.js";
import { explained } from "./sql.js";

export type RoleState = StateOf<typeof postgresql.Role>;

/** A setting out of `pg_roles.rolconfig`, whose entries read `name=value`; the genuine plugin looks at the beginning only. */
function settingOf(config: readonly string[], name: string): string | undefined {
  const entry = config.find((candidate) => candidate.startsWith(name));
  return entry?.slice(name.length + 1);
}

function milliseconds(config: readonly string[], name: string): number {
  const value = settingOf(config, name);
  if (value === undefined) return 0;
  // Atoi: a value with a unit, set by hand, is an error in the genuine plugin as well.
  if (!/^-?\d+$/.test(value))
    throw new Error(`error reading statement_timeout: strconv.Atoi: parsing "${value}": invalid syntax`);
  return Number(value);
}

/** What the server knows of a role; undefined when there is none of that name. The password is assumed, see {@link passwordOf}. */
export async function readRole(
  server: Server,
  id: string,
  password: string | undefined,
): Promise<RoleState | undefined> {
  return server.connected(undefined, async (db) => {
    const { rows } = await explained("error reading ROLE", () =>
      db.query<{
        name: string;
        super: boolean;
        inherit: boolean;
        createrole: boolean;
        createdb: boolean;
        login: boolean;
        connections: number;
        until: string;
        config: string[];
        replication: boolean;
        bypassrls: boolean;
        roles: string[];
      }>(
        `SELECT rolname AS name, rolsuper AS super, rolinherit AS inherit, rolcreaterole AS createrole, rolcreatedb AS createdb,
                rolcanlogin AS login, rolconnlimit AS connections, coalesce(rolvaliduntil::text, 'infinity') AS until,
                coalesce(rolconfig, '{}')::text[] AS config, rolreplication AS replication, rolbypassrls AS bypassrls,
                ARRAY(SELECT pg_get_userbyid(roleid)::text FROM pg_auth_members WHERE member = pg_roles.oid) AS roles
           FROM pg_roles WHERE rolname = $1`,
        [id],
      ),
    );
    const row = rows[0];
    if (row === undefined) return undefined;
    const { config } = row;
    return {
      name: row.name,
      connectionLimit: row.connections,
      createDatabase: row.createdb,
      createRole: row.createrole,
      encryptedPassword: true,
      inherit: row.inherit,
      login: row.login,
      superuser: row.super,
      validUntil: row.until,
      replication: row.replication,
      bypassRowLevelSecurity: row.bypassrls,
      roles: row.roles,
      searchPaths:
        settingOf(config, "search_path")
          ?.split(", ")
          .map((part) => part.replace(/^"+|"+$/g, "")) ?? [],
      assumeRole: settingOf(config, "role") ?? "",
      statementTimeout: milliseconds(config, "statement_timeout"),
      idleInTransactionSessionTimeout: milliseconds(config, "idle_in_transaction_session_timeout"),
      ...(password === undefined || password === ""
        ? {}
        : { password: await passwordOf(server, db, id, row.login, password) }),
    };
  });
}

/**
 * The password to keep in the state. Only a superuser can read what the server has, and it has a hash: an md5 one is
 * compared, a SCRAM one is taken on trust. So a password changed by hand is seen only where it is md5 or gone.
 */
async function passwordOf(server: Server, db: Queryable, id: string, login: boolean, assumed: string): Promise<string> {
  if (!login || !server.settings.superuser) return assumed;
  const { rows: users } = await explained("could not check if current user is superuser", () =>
    db.query<{ super: boolean }>("SELECT rolsuper AS super FROM pg_roles WHERE rolname = CURRENT_USER"),
  );
  if (users[0]?.super !== true) {
    throw new Error(
      `could not read role password from Postgres as connected user ${server.user} is not a SUPERUSER. ` +
        "You can set `superuser = false` in the provider configuration so it will not try to read the password from Postgres",
    );
  }
  const { rows } = await explained("error reading role", () =>
    db.query<{ hash: string }>("SELECT coalesce(passwd, '') AS hash FROM pg_shadow WHERE usename = $1", [id]),
  );
  const hash = rows[0]?.hash ?? "";
  if (!assumed.startsWith("md5") && !assumed.startsWith("SCRAM-SHA-256")) {
    if (hash.startsWith("SCRAM-SHA-256")) return assumed;
    const md5 = createHash("md5")
      .update(assumed + id)
      .digest("hex");
    if (hash === `md5${md5}`) return assumed;
  }
  return hash;
}
