import type * as postgresql from "@pulumi/postgresql";
import { defineResource, type InputsOf, messageOf, PartialFailure, type StateOf } from "../framework/index.js";
import { databaseOwner, grantMembership, lockRole, revokeMembership } from "./catalog.js";
import type { Queryable, Server } from "./connection.js";
import { explained, identifier, literal } from "./sql.js";

type DatabaseInputs = InputsOf<typeof postgresql.Database>;
type DatabaseState = StateOf<typeof postgresql.Database>;

/**
 * Runs `work` with the connected user a member of `owner`. CREATE and DROP DATABASE allow no transaction, so the grant is
 * committed before; a lock on the user in a transaction beside it keeps two of these from undoing each other's grant.
 */
async function asMemberOf<T>(server: Server, owner: string, work: (db: Queryable) => Promise<T>): Promise<T> {
  if (owner === "") return server.connected(undefined, work);
  return server.transaction(undefined, async (lock) => {
    await lockRole(lock, server.user);
    return server.connected(undefined, async (db) => {
      const granted = await grantMembership(db, owner, server.user);
      try {
        return await work(db);
      } finally {
        // The genuine plugin drops this error too: what was asked for is done by now.
        if (granted) await revokeMembership(db, owner, server.user).catch(() => false);
      }
    });
  });
}

function isSet(value: string | undefined): value is string {
  return value !== undefined && value !== "";
}

function isDefault(value: string): boolean {
  return value.toUpperCase() === "DEFAULT";
}

function creation(server: Server, inputs: DatabaseInputs): string {
  const named = (word: string, value: string) =>
    isDefault(value) ? `${word} DEFAULT` : `${word} ${identifier(value)}`;
  const quoted = (word: string, value: string) => (isDefault(value) ? `${word} DEFAULT` : `${word} ${literal(value)}`);
  const parts = [
    `CREATE DATABASE ${identifier(inputs.name ?? "")}`,
    `OWNER ${identifier(isSet(inputs.owner) ? inputs.owner : server.user)}`,
  ];
  parts.push(inputs.template ? named("TEMPLATE", inputs.template) : "TEMPLATE template0");
  parts.push(inputs.encoding ? quoted("ENCODING", inputs.encoding) : "ENCODING 'UTF8'");
  if (inputs.lcCollate) parts.push(quoted("LC_COLLATE", inputs.lcCollate));
  if (inputs.lcCtype) parts.push(quoted("LC_CTYPE", inputs.lcCtype));
  if (inputs.tablespaceName) parts.push(named("TABLESPACE", inputs.tablespaceName));
  parts.push(`ALLOW_CONNECTIONS ${inputs.allowConnections ?? true}`);
  parts.push(`CONNECTION LIMIT ${inputs.connectionLimit ?? -1}`);
  parts.push(`IS_TEMPLATE ${inputs.isTemplate ?? false}`);
  return parts.join(" ");
}

async function readDatabase(server: Server, id: string, template: string): Promise<DatabaseState | undefined> {
  const { rows } = await server.connected(undefined, (db) =>
    explained("error reading database", () =>
      db.query<Required<DatabaseState>>(
        `SELECT d.datname AS name, pg_get_userbyid(d.datdba) AS owner, pg_encoding_to_char(d.encoding) AS encoding,
                d.datcollate AS "lcCollate", d.datctype AS "lcCtype", t.spcname AS "tablespaceName",
                d.datconnlimit AS "connectionLimit", d.datallowconn AS "allowConnections", d.datistemplate AS "isTemplate"
           FROM pg_database AS d JOIN pg_tablespace AS t ON d.dattablespace = t.oid WHERE d.datname = $1`,
        [id],
      ),
    ),
  );
  // The server does not remember the template.
  return rows[0] && { ...rows[0], template: template || "template0" };
}

async function stateAfter(server: Server, id: string, template: string): Promise<{ id: string; state: DatabaseState }> {
  try {
    const state = await readDatabase(server, id, template);
    if (state === undefined) throw new Error(`database ${id} is gone right after it was written`);
    return { id, state };
  } catch (error) {
    throw new PartialFailure<DatabaseState>(id, {}, [messageOf(error)]);
  }
}

/** `alterObjectOwnership`: gives the objects of the old owner, in that database, to the new one. */
async function reassignObjects(server: Server, name: string, newOwner: string): Promise<void> {
  await server.transaction(name, async (transaction) => {
    await lockRole(transaction, server.user);
    await server.connected(undefined, async (db) => {
      const current = await databaseOwner(db, name);
      if (current === newOwner) return;
      const granted = await grantMembership(db, current, server.user);
      try {
        await explained(`error reassigning objects owned by '${current}'`, () =>
          transaction.query(`REASSIGN OWNED BY ${identifier(current)} TO ${identifier(newOwner)}`),
        );
      } finally {
        if (granted) await revokeMembership(db, current, server.user).catch(() => false);
      }
    });
  });
}

/** postgresql_database. Template, encoding and locale replace it, the rest is changed in place, the name too. */
export const database = defineResource<typeof postgresql.Database, Server>({
  token: "postgresql:index/database:Database",
  inputs: {
    name: { autoname: true },
    owner: { computed: true },
    template: { computed: true, forceNew: true },
    encoding: { computed: true, forceNew: true },
    lcCollate: { computed: true, forceNew: true },
    lcCtype: { computed: true, forceNew: true },
    tablespaceName: { computed: true },
    connectionLimit: {
      default: -1,
      validate: (value) => (value < -1 ? `expected to be at least (-1), got ${value}` : undefined),
    },
    allowConnections: { default: true },
    isTemplate: { computed: true },
    alterObjectOwnership: { default: false },
  },

  async create(server, inputs) {
    const name = inputs.name ?? "";
    await asMemberOf(server, inputs.owner ?? "", (db) =>
      explained(`error creating database "${name}"`, () => db.query(creation(server, inputs))),
    );
    return stateAfter(server, name, inputs.template ?? "");
  },

  async read(server, id, state) {
    const found = await readDatabase(server, id, state.template ?? "");
    return found && { id, state: found };
  },

  async update(server, id, old, inputs, { changed }) {
    const name = inputs.name ?? "";
    const owner = inputs.owner ?? "";
    const before = old.name ?? id;
    const run = (what: string, sql: string) =>
      server.connected(undefined, (db) => explained(`error updating database ${what}`, () => db.query(sql)));
    if (name !== before) {
      if (name === "") throw new Error("error setting database name to an empty string");
      await run("name", `ALTER DATABASE ${identifier(before)} RENAME TO ${identifier(name)}`);
    }
    const alter = `ALTER DATABASE ${identifier(name)}`;
    if (
      (changed.has("owner") || changed.has("alterObjectOwnership")) &&
      owner !== "" &&
      inputs.alterObjectOwnership === true
    ) {
      await reassignObjects(server, name, owner);
    }
    if (changed.has("owner") && owner !== "") {
      await asMemberOf(server, owner, (db) =>
        explained("error updating database OWNER", () => db.query(`${alter} OWNER TO ${identifier(owner)}`)),
      );
    }
    if (changed.has("tablespaceName")) {
      const space = inputs.tablespaceName ?? "";
      await run(
        "TABLESPACE",
        space === "" || isDefault(space) ? `${alter} RESET TABLESPACE` : `${alter} SET TABLESPACE ${identifier(space)}`,
      );
    }
    if (changed.has("connectionLimit"))
      await run("CONNECTION LIMIT", `${alter} CONNECTION LIMIT = ${inputs.connectionLimit ?? -1}`);
    if (changed.has("allowConnections"))
      await run("ALLOW_CONNECTIONS", `${alter} ALLOW_CONNECTIONS ${inputs.allowConnections ?? true}`);
    if (changed.has("isTemplate")) await run("IS_TEMPLATE", `${alter} IS_TEMPLATE ${inputs.isTemplate ?? false}`);
    return stateAfter(server, name, inputs.template ?? old.template ?? "");
  },

  async delete(server, id, state) {
    const name = state.name ?? id;
    await asMemberOf(server, state.owner ?? "", async (db) => {
      const alter = `ALTER DATABASE ${identifier(name)}`;
      if (state.isTemplate === true) {
        await explained("error updating database IS_TEMPLATE during DROP DATABASE", () =>
          db.query(`${alter} IS_TEMPLATE false`),
        );
      }
      // Whoever is connected is thrown out. When the drop then fails, the database stays closed.
      await explained("error blocking connections to database", () => db.query(`${alter} ALLOW_CONNECTIONS false`));
      await explained("error terminating database connections", () =>
        db.query(
          "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1 AND pid <> pg_backend_pid()",
          [name],
        ),
      );
      const force = (await server.majorVersion()) >= 13 ? " WITH ( FORCE )" : "";
      await explained("error dropping database", () => db.query(`DROP DATABASE ${identifier(name)}${force}`));
    });
  },
});
