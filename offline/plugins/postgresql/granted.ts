import type * as postgresql from "@pulumi/postgresql";
import type { StateOf } from "../framework/index.js";
import { roleOid } from "./catalog.js";
import type { Queryable, Server } from "./connection.js";
import { fulfils, OBJECT_CODES } from "./privileges.js";
import { explained } from "./sql.js";

/** Who may do what with which objects. Sets are in Terraform's order. */
export interface GrantSubject {
  readonly role: string;
  readonly database: string;
  /** Empty for objects outside of schemas. */
  readonly schema: string;
  readonly objectType: string;
  /** Empty: all of the type that exist in the schema. */
  readonly objects: readonly string[];
  readonly columns: readonly string[];
  readonly privileges: readonly string[];
}

interface ObjectPrivileges {
  readonly name: string;
  readonly privileges: string[];
}

/** Queries for the privileges of one grantee ($1) on the one object called $2. */
const SINGLE: Readonly<Record<string, string>> = {
  database: "SELECT datacl AS acl FROM pg_database WHERE datname = $2",
  schema: "SELECT nspacl AS acl FROM pg_namespace WHERE nspname = $2",
  foreign_data_wrapper: "SELECT fdwacl AS acl FROM pg_foreign_data_wrapper WHERE fdwname = $2",
  foreign_server: "SELECT srvacl AS acl FROM pg_foreign_server WHERE srvname = $2",
};

async function onSingle(
  db: Queryable,
  oid: number,
  source: string,
  name: string,
  objectType: string,
): Promise<ObjectPrivileges[]> {
  const { rows } = await explained(`could not read privileges for ${objectType.replaceAll("_", " ")} ${name}`, () =>
    db.query<{ privilege: string }>(
      `SELECT acl.privilege_type AS privilege FROM (${source}) AS object CROSS JOIN LATERAL aclexplode(object.acl) AS acl
        WHERE acl.grantee = $1`,
      [oid, name],
    ),
  );
  return [{ name, privileges: rows.map(({ privilege }) => privilege) }];
}

/** The privileges on each object of the type in the schema, none included. */
async function onEach(db: Queryable, oid: number, { schema, objectType }: GrantSubject): Promise<ObjectPrivileges[]> {
  const isRoutine = ["function", "procedure", "routine"].includes(objectType);
  const source = isRoutine
    ? "SELECT proname AS name, proacl AS acl FROM pg_proc JOIN pg_namespace AS n ON n.oid = pronamespace WHERE n.nspname = $2"
    : "SELECT relname AS name, relacl AS acl FROM pg_class JOIN pg_namespace AS n ON n.oid = relnamespace WHERE n.nspname = $2 AND relkind = $3";
  const { rows } = await explained(`could not read privileges for ${objectType}s of schema ${schema}`, () =>
    db.query<ObjectPrivileges>(
      `SELECT object.name, ARRAY(SELECT acl.privilege_type FROM aclexplode(object.acl) AS acl WHERE acl.grantee = $1)::text[] AS privileges
         FROM (${source}) AS object ORDER BY object.name`,
      isRoutine ? [oid, schema] : [oid, schema, OBJECT_CODES[objectType] ?? ""],
    ),
  );
  return rows;
}

/** Columns of the subject that do not have its one privilege any more. */
async function missingColumns(db: Queryable, oid: number, subject: GrantSubject): Promise<string[]> {
  const { rows } = await explained("could not read privileges for columns", () =>
    db.query<{ name: string }>(
      `SELECT a.attname AS name
         FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace JOIN pg_attribute AS a ON a.attrelid = c.oid
        CROSS JOIN LATERAL aclexplode(a.attacl) AS acl
        WHERE n.nspname = $2 AND c.relname = $3 AND c.relkind = 'r' AND acl.grantee = $1 AND acl.privilege_type = $4`,
      [oid, subject.schema, subject.objects[0] ?? "", subject.privileges[0] ?? ""],
    ),
  );
  return subject.columns.filter((column) => !rows.some(({ name }) => name === column));
}

/**
 * What the server has of a grant, as a change to its state: nothing where all is as wanted, else the privileges of the
 * first object that differs, so that the next `up` grants anew.
 */
export async function grantedPrivileges(
  server: Server,
  subject: GrantSubject,
): Promise<StateOf<typeof postgresql.Grant>> {
  const { objectType, objects, database, schema, role } = subject;
  return server.connected(database, async (db) => {
    const oid = await roleOid(db, role);
    if (objectType === "column") {
      const missing = await missingColumns(db, oid, subject);
      return missing.length === 0 ? {} : { columns: subject.columns.filter((column) => !missing.includes(column)) };
    }
    const single = SINGLE[objectType];
    const name = objectType === "database" ? database : objectType === "schema" ? schema : (objects[0] ?? "");
    const found =
      single === undefined ? await onEach(db, oid, subject) : await onSingle(db, oid, single, name, objectType);
    for (const object of found) {
      if (single === undefined && objects.length > 0 && !objects.includes(object.name)) continue;
      if (!(await fulfils(server, objectType, object.privileges, subject.privileges)))
        return { privileges: object.privileges };
    }
    return {};
  });
}
