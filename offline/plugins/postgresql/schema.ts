import type * as postgresql from "@pulumi/postgresql";
import { defineResource, messageOf, PartialFailure, type StateOf } from "../framework/index.js";
import { databaseExists, databaseOwner, schemaExists, withRolesGranted } from "./catalog.js";
import type { Queryable, Server } from "./connection.js";
import { explained, identifier } from "./sql.js";

type SchemaState = StateOf<typeof postgresql.Schema>;

async function setOwner(transaction: Queryable, name: string, owner: string): Promise<void> {
  if (owner === "") throw new Error("error setting schema owner to an empty string");
  await explained("error updating schema OWNER", () =>
    transaction.query(`ALTER SCHEMA ${identifier(name)} OWNER TO ${identifier(owner)}`),
  );
}

function firstSet(...names: readonly (string | null | undefined)[]): string {
  return names.find((name) => typeof name === "string" && name !== "") ?? "";
}

async function readSchema(
  server: Server,
  database: string,
  name: string,
): Promise<{ id: string; state: SchemaState } | undefined> {
  if (!(await server.connected(undefined, (db) => databaseExists(db, database)))) return undefined;
  const { rows } = await server.connected(database, (db) =>
    explained("error reading schema", () =>
      db.query<{ owner: string }>("SELECT pg_get_userbyid(nspowner) AS owner FROM pg_namespace WHERE nspname = $1", [
        name,
      ]),
    ),
  );
  return rows[0] && { id: `${database}.${name}`, state: { name, database, owner: rows[0].owner } };
}

async function stateAfter(server: Server, database: string, name: string): Promise<{ id: string; state: SchemaState }> {
  try {
    const found = await readSchema(server, database, name);
    if (found === undefined) throw new Error(`schema ${name} is gone right after it was written`);
    return found;
  } catch (error) {
    throw new PartialFailure<SchemaState>(`${database}.${name}`, {}, [messageOf(error)]);
  }
}

/** postgresql_schema. One that exists already is adopted, whatever `ifNotExists` says, and then dropped at the end. */
export const schema = defineResource<typeof postgresql.Schema, Server>({
  token: "postgresql:index/schema:Schema",
  inputs: {
    name: { autoname: true },
    database: { computed: true, forceNew: true },
    owner: { computed: true },
    ifNotExists: { default: true },
    dropCascade: { default: false },
    // `policies` is deprecated in favour of Grant and left out.
  },

  async create(server, inputs) {
    const name = inputs.name ?? "";
    const owner = inputs.owner ?? "";
    const database = firstSet(inputs.database, server.settings.database);
    await server.transaction(database, async (transaction) => {
      const roles = [await databaseOwner(transaction, database)];
      if (owner !== "" && owner !== roles[0]) roles.push(owner);
      await withRolesGranted(transaction, roles, async () => {
        if (await schemaExists(transaction, name)) {
          if (owner !== "") await setOwner(transaction, name, owner);
          return;
        }
        const guard = inputs.ifNotExists === false ? "" : "IF NOT EXISTS ";
        const authorization = owner === "" ? "" : ` AUTHORIZATION ${identifier(owner)}`;
        await explained(`error creating schema ${name}`, () =>
          transaction.query(`CREATE SCHEMA ${guard}${identifier(name)}${authorization}`),
        );
      });
    });
    return stateAfter(server, database, name);
  },

  async read(server, id, state) {
    // Of an import only the id is known.
    const [database = "", name = "", ...more] = state.name
      ? [state.database ?? server.settings.database, state.name]
      : id.split(".");
    if (name === "" || more.length > 0) {
      throw new Error(`schema ID ${id} has not the expected format 'database.schema'`);
    }
    return readSchema(server, database, name);
  },

  async update(server, id, old, inputs, { changed }) {
    const name = inputs.name ?? "";
    const before = old.name ?? id.split(".")[1] ?? name;
    const database = firstSet(inputs.database, old.database, server.settings.database);
    await server.transaction(database, async (transaction) => {
      if (name !== before) {
        if (name === "") throw new Error("error setting schema name to an empty string");
        await explained("error updating schema NAME", () =>
          transaction.query(`ALTER SCHEMA ${identifier(before)} RENAME TO ${identifier(name)}`),
        );
      }
      if (changed.has("owner")) await setOwner(transaction, name, inputs.owner ?? "");
    });
    return stateAfter(server, database, name);
  },

  async delete(server, _id, state) {
    const name = state.name ?? "";
    await server.transaction(state.database ?? undefined, async (transaction) => {
      if (!(await schemaExists(transaction, name))) return;
      await withRolesGranted(transaction, [state.owner ?? ""], async () => {
        const mode = state.dropCascade === true ? "CASCADE" : "RESTRICT";
        await explained("error deleting schema", () => transaction.query(`DROP SCHEMA ${identifier(name)} ${mode}`));
      });
    });
  },
});
