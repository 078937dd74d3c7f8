import type * as postgresql from "@pulumi/postgresql";
import { defineResource, type InputsOf, messageOf, PartialFailure, type StateOf } from "../framework/index.js";
import { databaseExists, lockRole, PUBLIC, roleExists, roleOid, schemaExists, withRolesGranted } from "./catalog.js";
import type { Queryable, Server } from "./connection.js";
import { checkPrivileges, fulfils, OBJECT_CODES } from "./privileges.js";
import { explained, identifier } from "./sql.js";

type Inputs = InputsOf<typeof postgresql.DefaultPrivileges>;
type State = StateOf<typeof postgresql.DefaultPrivileges>;

interface Subject {
  readonly role: string;
  readonly database: string;
  readonly owner: string;
  readonly schema: string;
  readonly objectType: string;
  readonly privileges: readonly string[];
}

function subjectOf(from: State | Inputs): Subject {
  return {
    role: from.role ?? "",
    database: from.database ?? "",
    owner: from.owner ?? "",
    schema: from.schema ?? "",
    objectType: from.objectType ?? "",
    privileges: from.privileges ?? [],
  };
}

function idOf({ role, database, schema, owner, objectType }: Subject): string {
  return [role, database, schema === "" ? "noschema" : schema, owner, objectType].join("_");
}

function alter(subject: Subject, action: string): string {
  const place = subject.schema === "" ? "" : ` IN SCHEMA ${identifier(subject.schema)}`;
  return `ALTER DEFAULT PRIVILEGES FOR ROLE ${identifier(subject.owner)}${place} ${action}`;
}

async function revoke(transaction: Queryable, subject: Subject): Promise<void> {
  const action = `REVOKE ALL ON ${subject.objectType.toUpperCase()}S FROM ${identifier(subject.role)}`;
  await explained("could not revoke default privileges", () => transaction.query(alter(subject, action)));
}

/** Undefined when nothing is granted although something should be: that reads as gone. */
async function readPrivileges(server: Server, subject: Subject): Promise<{ id: string; state: State } | undefined> {
  const { role, owner, schema, objectType, privileges } = subject;
  const granted = await server.transaction(subject.database, async (transaction) => {
    await lockRole(transaction, owner);
    const oid = await roleOid(transaction, role);
    const { rows } = await explained("could not read default privileges", () =>
      transaction.query<{ privilege: string }>(
        `SELECT acl.privilege_type AS privilege
           FROM pg_default_acl AS d CROSS JOIN LATERAL aclexplode(d.defaclacl) AS acl
           LEFT JOIN pg_namespace AS n ON n.oid = d.defaclnamespace
          WHERE d.defaclobjtype = $1 AND acl.grantee = $2 AND pg_get_userbyid(acl.grantor) = $3 AND coalesce(n.nspname, '') = $4`,
        [OBJECT_CODES[objectType] ?? "", oid, owner, schema],
      ),
    );
    return rows.map(({ privilege }) => privilege);
  });
  if (granted.length === 0 && privileges.length > 0) return undefined;
  const same = await fulfils(server, objectType, granted, privileges);
  return { id: idOf(subject), state: { privileges: [...(same ? privileges : granted)].sort() } };
}

async function put(server: Server, inputs: Inputs): Promise<{ id: string; state: State }> {
  const subject = subjectOf(inputs);
  const { role, schema, objectType, owner, privileges } = subject;
  if (schema !== "" && objectType === "schema")
    throw new Error("cannot specify `schema` when `object_type` is `schema`");
  if (inputs.withGrantOption === true && role.toLowerCase() === PUBLIC) {
    throw new Error("with_grant_option cannot be true for role 'public'");
  }
  await checkPrivileges(server, objectType, privileges);
  await server.transaction(subject.database, async (transaction) => {
    await lockRole(transaction, owner);
    await withRolesGranted(transaction, [owner], async () => {
      // Taken away first, in the same transaction: else fewer privileges than before would not take effect.
      await revoke(transaction, subject);
      if (privileges.length === 0) return;
      const option = inputs.withGrantOption === true ? " WITH GRANT OPTION" : "";
      const action = `GRANT ${privileges.join(",")} ON ${objectType.toUpperCase()}S TO ${identifier(role)}${option}`;
      await explained("could not alter default privileges", () => transaction.query(alter(subject, action)));
    });
  });
  const id = idOf(subject);
  try {
    const found = await readPrivileges(server, subject);
    if (found === undefined) throw new Error(`no default privileges for role ${role} right after they were granted`);
    return found;
  } catch (error) {
    throw new PartialFailure<State>(id, {}, [messageOf(error)]);
  }
}

const OBJECT_TYPES = ["table", "sequence", "function", "routine", "type", "schema"];

/** postgresql_default_privileges: what others may do with objects that `owner` will create. */
export const defaultPrivileges = defineResource<typeof postgresql.DefaultPrivileges, Server>({
  token: "postgresql:index/defaultPrivileges:DefaultPrivileges",
  inputs: {
    role: { required: true, forceNew: true },
    database: { required: true, forceNew: true },
    owner: { required: true, forceNew: true },
    schema: { forceNew: true },
    objectType: {
      required: true,
      forceNew: true,
      validate: (value) =>
        OBJECT_TYPES.includes(value)
          ? undefined
          : `expected object_type to be one of [${OBJECT_TYPES.join(" ")}], got ${value}`,
    },
    privileges: { required: true, unordered: true },
    withGrantOption: { default: false, forceNew: true },
  },

  create: (server, inputs) => put(server, inputs),
  update: (server, _id, _old, inputs) => put(server, inputs),

  async read(server, _id, state) {
    const subject = subjectOf(state);
    const { database, role, schema, objectType } = subject;
    if (!(await server.connected(undefined, (db) => databaseExists(db, database)))) return undefined;
    const exists = await server.connected(database, async (db) => {
      if (role !== PUBLIC && !(await roleExists(db, role))) return false;
      return objectType === "database" || schema === "" || (await schemaExists(db, schema));
    });
    return exists ? readPrivileges(server, subject) : undefined;
  },

  async delete(server, _id, state) {
    const subject = subjectOf(state);
    await server.transaction(subject.database, async (transaction) => {
      await lockRole(transaction, subject.owner);
      await withRolesGranted(transaction, [subject.owner], () => revoke(transaction, subject));
    });
  },
});
