import type { Queryable } from "./connection.js";
import { explained, identifier } from "./sql.js";

/** PostgreSQL's name for everybody; it is no role, so it has no row and no oid. */
export const PUBLIC = "public";

async function first<R extends Record<string, unknown>>(
  db: Queryable,
  what: string,
  text: string,
  values: readonly unknown[] = [],
): Promise<R | undefined> {
  const { rows } = await explained(what, () => db.query<R>(text, values));
  return rows[0];
}

export async function databaseExists(db: Queryable, name: string): Promise<boolean> {
  const row = await first(
    db,
    "could not check if database exists",
    "SELECT 1 AS found FROM pg_database WHERE datname = $1",
    [name],
  );
  return row !== undefined;
}

export async function roleExists(db: Queryable, name: string): Promise<boolean> {
  const row = await first(db, "could not check if role exists", "SELECT 1 AS found FROM pg_roles WHERE rolname = $1", [
    name,
  ]);
  return row !== undefined;
}

export async function schemaExists(db: Queryable, name: string): Promise<boolean> {
  const row = await first(
    db,
    "could not check if schema exists",
    "SELECT 1 AS found FROM pg_namespace WHERE nspname = $1",
    [name],
  );
  return row !== undefined;
}

/** The owner of `name`, or of the connected database. */
export async function databaseOwner(db: Queryable, name?: string): Promise<string> {
  const row = await first<{ owner: string }>(
    db,
    `error while looking for the owner of database '${name ?? ""}'`,
    "SELECT pg_get_userbyid(datdba) AS owner FROM pg_database WHERE datname = coalesce($1, current_database())",
    [name ?? null],
  );
  if (row === undefined) throw new Error(`could not find database '${name ?? ""}' while looking for owner`);
  return row.owner;
}

export async function schemaOwner(db: Queryable, name: string): Promise<string> {
  const row = await first<{ owner: string }>(
    db,
    `error while looking for the owner of schema '${name}'`,
    "SELECT pg_get_userbyid(nspowner) AS owner FROM pg_namespace WHERE nspname = $1",
    [name],
  );
  if (row === undefined) throw new Error(`could not find schema '${name}' while looking for owner`);
  return row.owner;
}

export async function tableOwners(db: Queryable, schema: string): Promise<string[]> {
  const { rows } = await explained(`error while looking for owners of tables in schema '${schema}'`, () =>
    db.query<{ owner: string }>("SELECT DISTINCT tableowner AS owner FROM pg_tables WHERE schemaname = $1", [schema]),
  );
  return rows.map(({ owner }) => owner);
}

async function isSuperuser(db: Queryable, role: string): Promise<boolean> {
  const what = `could not check if role ${role} is superuser`;
  const row = await first<{ super: boolean }>(db, what, "SELECT rolsuper AS super FROM pg_roles WHERE rolname = $1", [
    role,
  ]);
  if (row === undefined) throw new Error(`${what}: sql: no rows in result set`);
  return row.super;
}

/** 0 for everybody. */
export async function roleOid(db: Queryable, role: string): Promise<number> {
  if (role === PUBLIC) return 0;
  const what = `could not find oid for role ${role}`;
  const row = await first<{ oid: number }>(db, what, "SELECT oid FROM pg_roles WHERE rolname = $1", [role]);
  if (row === undefined) throw new Error(`${what}: sql: no rows in result set`);
  return row.oid;
}

/** Keeps others of these plugins from changing the role and its members until the transaction ends. */
export async function lockRole(transaction: Queryable, role: string): Promise<void> {
  await explained("could not disable statement_timeout", () => transaction.query("SET statement_timeout = 0"));
  await explained(`could not get advisory lock for role ${role}`, () =>
    transaction.query("SELECT pg_advisory_xact_lock(oid::bigint) FROM pg_roles WHERE rolname = $1", [role]),
  );
  await explained(`could not get advisory lock for members of role ${role}`, () =>
    transaction.query(
      "SELECT pg_advisory_xact_lock(member::bigint) FROM pg_auth_members JOIN pg_roles ON roleid = pg_roles.oid WHERE rolname = $1",
      [role],
    ),
  );
}

export async function lockDatabase(transaction: Queryable, database: string): Promise<void> {
  await explained("could not disable statement_timeout", () => transaction.query("SET statement_timeout = 0"));
  await explained(`could not get advisory lock for database ${database}`, () =>
    transaction.query("SELECT pg_advisory_xact_lock(oid::bigint) FROM pg_database WHERE datname = $1", [database]),
  );
}

/**
 * Whether `member` can act as `role`. Since PostgreSQL 16 a membership may come without the right to SET ROLE: that is what
 * who creates a role without being superuser is given, and it does not count here.
 */
async function isMember(db: Queryable, role: string, member: string): Promise<boolean> {
  const { rows } = await explained("could not read role membership", () =>
    db.query<{ found: boolean }>(
      `SELECT true AS found FROM pg_auth_members AS m
        WHERE pg_get_userbyid(roleid) = $1 AND pg_get_userbyid(member) = $2
          AND coalesce((to_jsonb(m) ->> 'set_option')::boolean, true)`,
      [role, member],
    ),
  );
  return rows.length > 0;
}

/** False when there was nothing to grant. */
export async function grantMembership(db: Queryable, role: string, member: string): Promise<boolean> {
  if (member === role || (await isMember(db, role, member))) return false;
  await explained(`error granting role ${role} to ${member}`, () =>
    db.query(`GRANT ${identifier(role)} TO ${identifier(member)}`),
  );
  return true;
}

/** False when there was nothing to revoke. */
export async function revokeMembership(db: Queryable, role: string, member: string): Promise<boolean> {
  if (member === role || !(await isMember(db, role, member))) return false;
  await explained(`error revoking role ${role} from ${member}`, () =>
    db.query(`REVOKE ${identifier(role)} FROM ${identifier(member)}`),
  );
  return true;
}

/**
 * Makes the connected user a member of `roles` while `work` runs, where they are no superuser: only then may they change
 * those roles' objects. A membership the other way round is taken away meanwhile, since circles are forbidden.
 */
export async function withRolesGranted<T>(
  transaction: Queryable,
  roles: readonly string[],
  work: () => Promise<T>,
): Promise<T> {
  if (roles.length === 0) return work();
  const row = await first<{ user: string }>(
    transaction,
    "error while looking for the current user",
    'SELECT CURRENT_USER AS "user"',
  );
  const user = row?.user ?? "";
  if (await isSuperuser(transaction, user)) return work();
  const granted: string[] = [];
  const revoked: string[] = [];
  for (const role of roles) {
    // PostgreSQL does not let anybody else become a superuser: work goes on without, and fails where it needs it.
    if (await isSuperuser(transaction, role)) continue;
    if (await revokeMembership(transaction, user, role)) revoked.push(role);
    if (await grantMembership(transaction, role, user)) granted.push(role);
  }
  const result = await work();
  for (const role of granted) await revokeMembership(transaction, role, user);
  for (const role of revoked) if (await roleExists(transaction, role)) await grantMembership(transaction, user, role);
  return result;
}
