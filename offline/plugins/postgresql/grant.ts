import type * as postgresql from "@pulumi/postgresql";
import { defineResource, type InputsOf, messageOf, PartialFailure, type StateOf } from "../framework/index.js";
import {
  databaseExists,
  databaseOwner,
  lockDatabase,
  lockRole,
  PUBLIC,
  roleExists,
  schemaExists,
  schemaOwner,
  tableOwners,
  withRolesGranted,
} from "./catalog.js";
import type { Queryable, Server } from "./connection.js";
import { type GrantSubject, grantedPrivileges } from "./granted.js";
import { checkPrivileges } from "./privileges.js";
import { driverMessage, explained, identifier, inSetOrder, routineIdentifier } from "./sql.js";

type GrantInputs = InputsOf<typeof postgresql.Grant>;
type GrantState = StateOf<typeof postgresql.Grant>;

const OBJECT_TYPES = [
  "database",
  "function",
  "procedure",
  "routine",
  "schema",
  "sequence",
  "table",
  "foreign_data_wrapper",
  "foreign_server",
  "column",
];
/** Object types that are in no schema. */
const GLOBAL_TYPES = ["database", "foreign_data_wrapper", "foreign_server"];

function subjectOf(from: GrantState | GrantInputs): GrantSubject {
  return {
    role: from.role ?? "",
    database: from.database ?? "",
    schema: from.schema ?? "",
    objectType: from.objectType ?? "",
    objects: inSetOrder(from.objects ?? []),
    columns: inSetOrder(from.columns ?? []),
    privileges: inSetOrder(from.privileges ?? []),
  };
}

function idOf({ role, database, schema, objectType, objects, columns }: GrantSubject): string {
  const place = GLOBAL_TYPES.includes(objectType) ? [] : [schema];
  return [role, database, ...place, objectType, ...objects, ...columns].join("_");
}

/** Rules over several inputs that the genuine plugin checks when it acts, not in a preview. */
function checkSubject({ objectType, schema, objects, columns, privileges }: GrantSubject): void {
  const isColumn = objectType === "column";
  if (schema === "" && !GLOBAL_TYPES.includes(objectType))
    throw new Error("parameter 'schema' is mandatory for postgresql_grant resource");
  if (objects.length > 0 && (objectType === "database" || objectType === "schema")) {
    throw new Error("cannot specify `objects` when `object_type` is `database` or `schema`");
  }
  if (columns.length > 0 && !isColumn) throw new Error("cannot specify `columns` when `object_type` is not `column`");
  if (columns.length === 0 && isColumn) throw new Error("must specify `columns` when `object_type` is `column`");
  if (privileges.length !== 1 && isColumn)
    throw new Error("must specify exactly 1 `privileges` when `object_type` is `column`");
  if (objects.length !== 1 && isColumn) {
    throw new Error("must specify exactly 1 table in the `objects` field when `object_type` is `column`");
  }
  if (objects.length !== 1 && objectType.startsWith("foreign_")) {
    throw new Error(
      "one element must be specified in `objects` when `object_type` is `foreign_data_wrapper` or `foreign_server`",
    );
  }
}

/** What a GRANT or REVOKE is ON. */
function target({ objectType, database, schema, objects }: GrantSubject): string {
  const inSchema = objects.map((name) => `${identifier(schema)}.${routineIdentifier(name)}`).join(",");
  switch (objectType) {
    case "database":
      return `DATABASE ${identifier(database)}`;
    case "schema":
      return `SCHEMA ${identifier(schema)}`;
    case "foreign_data_wrapper":
      return `FOREIGN DATA WRAPPER ${identifier(objects[0] ?? "")}`;
    case "foreign_server":
      return `FOREIGN SERVER ${identifier(objects[0] ?? "")}`;
    case "column":
      return `TABLE ${inSchema}`;
    default:
      // Without objects: those that exist at this moment. Later ones need default privileges.
      return objects.length > 0
        ? `${objectType.toUpperCase()} ${inSchema}`
        : `ALL ${objectType.toUpperCase()}S IN SCHEMA ${identifier(schema)}`;
  }
}

async function revoke(transaction: Queryable, subject: GrantSubject): Promise<void> {
  const { objectType, objects, columns, privileges, role } = subject;
  let what = "ALL PRIVILEGES";
  if (objectType === "column") {
    if (privileges.length === 0 || columns.length === 0) return;
    what = `${privileges.join(",")} (${columns.map(identifier).join(",")})`;
  } else if (
    objects.length > 0 &&
    privileges.length > 0 &&
    !GLOBAL_TYPES.includes(objectType) &&
    objectType !== "schema"
  ) {
    // Only what the resource gave, so that privileges on columns are left alone.
    what = privileges.join(",");
  }
  await explained("could not execute revoke query", () =>
    transaction.query(`REVOKE ${what} ON ${target(subject)} FROM ${identifier(role)}`),
  );
}

async function give(transaction: Queryable, subject: GrantSubject, withGrantOption: boolean): Promise<void> {
  const { objectType, columns, privileges, role } = subject;
  if (privileges.length === 0) return;
  const what = privileges.join(",") + (objectType === "column" ? ` (${columns.map(identifier).join(",")})` : "");
  const option = withGrantOption ? " WITH GRANT OPTION" : "";
  try {
    await transaction.query(`GRANT ${what} ON ${target(subject)} TO ${identifier(role)}${option}`);
  } catch (error) {
    throw new Error(driverMessage(error), { cause: error });
  }
}

/** Whose member somebody who is no superuser has to be to change these privileges. */
async function ownersOf(transaction: Queryable, { objectType, schema }: GrantSubject): Promise<string[]> {
  if (GLOBAL_TYPES.includes(objectType)) return [];
  const owners = objectType === "schema" ? [] : await tableOwners(transaction, schema);
  owners.push(await schemaOwner(transaction, schema));
  const resolved = await Promise.all(
    owners.map((owner) => (owner === "pg_database_owner" ? databaseOwner(transaction) : Promise.resolve(owner))),
  );
  return [...new Set(resolved)];
}

/** Runs `work` in the subject's database with its locks held and its owners' rights. */
async function changing(
  server: Server,
  subject: GrantSubject,
  work: (transaction: Queryable) => Promise<void>,
): Promise<void> {
  await server.transaction(subject.database, async (transaction) => {
    await lockRole(transaction, subject.role);
    if (subject.objectType === "database") await lockDatabase(transaction, subject.database);
    await withRolesGranted(transaction, await ownersOf(transaction, subject), () => work(transaction));
  });
}

async function put(server: Server, inputs: GrantInputs, old?: GrantState): Promise<{ id: string; state: GrantState }> {
  const subject = subjectOf(inputs);
  checkSubject(subject);
  await checkPrivileges(server, subject.objectType, subject.privileges);
  await changing(server, subject, async (transaction) => {
    // Taken away first, in the same transaction: else fewer privileges than before would not take effect.
    await revoke(transaction, old === undefined ? subject : { ...subject, privileges: old.privileges ?? [] });
    await give(transaction, subject, inputs.withGrantOption === true);
  });
  const id = idOf(subject);
  try {
    return { id, state: await grantedPrivileges(server, subject) };
  } catch (error) {
    throw new PartialFailure<GrantState>(id, {}, [messageOf(error)]);
  }
}

/** postgresql_grant: privileges of one role, or of everybody, on one kind of object. No privileges means to revoke all. */
export const grant = defineResource<typeof postgresql.Grant, Server>({
  token: "postgresql:index/grant:Grant",
  deleteBeforeReplace: true,
  inputs: {
    role: { required: true, forceNew: true },
    database: { required: true, forceNew: true },
    schema: { forceNew: true },
    objectType: {
      required: true,
      forceNew: true,
      validate: (value) =>
        OBJECT_TYPES.includes(value)
          ? undefined
          : `expected object_type to be one of [${OBJECT_TYPES.join(" ")}], got ${value}`,
    },
    objects: { forceNew: true, unordered: true },
    columns: { forceNew: true, unordered: true },
    privileges: { required: true, unordered: true },
    withGrantOption: { default: false, forceNew: true },
  },

  create: (server, inputs) => put(server, inputs),
  update: (server, _id, old, inputs) => put(server, inputs, old),

  async read(server, _id, state) {
    const subject = subjectOf(state);
    const { database, role, schema, objectType } = subject;
    if (!(await server.connected(undefined, (db) => databaseExists(db, database)))) return undefined;
    const exists = await server.connected(database, async (db) => {
      if (role !== PUBLIC && !(await roleExists(db, role))) return false;
      return GLOBAL_TYPES.includes(objectType) || schema === "" || (await schemaExists(db, schema));
    });
    return exists ? { id: idOf(subject), state: await grantedPrivileges(server, subject) } : undefined;
  },

  async delete(server, _id, state) {
    const subject = subjectOf(state);
    await changing(server, subject, (transaction) => revoke(transaction, subject));
  },
});
