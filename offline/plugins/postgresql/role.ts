import type * as postgresql from "@pulumi/postgresql";
import { defineResource, type Diff, type InputsOf, messageOf, PartialFailure } from "../framework/index.js";
import { lockRole, withRolesGranted } from "./catalog.js";
import type { Queryable, Server } from "./connection.js";
import { readRole, type RoleState } from "./role-state.js";
import { explained, identifier, literal } from "./sql.js";

type RoleInputs = InputsOf<typeof postgresql.Role>;

/** Attributes that are on or off, with what the error at a change calls them. */
const SWITCHES = [
  ["superuser", "SUPERUSER"],
  ["createDatabase", "CREATEDB"],
  ["createRole", "CREATEROLE"],
  ["inherit", "INHERIT"],
  ["login", "LOGIN"],
  ["bypassRowLevelSecurity", "BYPASSRLS"],
  ["replication", "REPLICATION"],
] as const;

/** Settings of the role's sessions in milliseconds; 0 stands for none. */
const TIMEOUTS = [
  ["statementTimeout", "statement_timeout"],
  ["idleInTransactionSessionTimeout", "idle_in_transaction_session_timeout"],
] as const;

function atLeast(least: number): (value: number) => string | undefined {
  return (value) => (value < least ? `expected to be at least (${least}), got ${value}` : undefined);
}

async function grantRoles(transaction: Queryable, name: string, roles: readonly string[]): Promise<void> {
  for (const granted of roles) {
    await explained(`could not grant role ${granted} to ${name}`, () =>
      transaction.query(`GRANT ${identifier(granted)} TO ${identifier(name)}`),
    );
  }
}

/** Takes every membership away, also those given by hand: the next step gives the wanted ones. */
async function revokeRoles(transaction: Queryable, name: string): Promise<void> {
  const { rows } = await explained(`could not get roles list for role ${name}`, () =>
    transaction.query<{ role: string }>(
      "SELECT pg_get_userbyid(roleid) AS role FROM pg_auth_members JOIN pg_roles ON member = pg_roles.oid WHERE rolname = $1",
      [name],
    ),
  );
  for (const { role } of rows) {
    await explained(`could not revoke role ${role} from ${name}`, () =>
      transaction.query(`REVOKE ${identifier(role)} FROM ${identifier(name)}`),
    );
  }
}

async function setSearchPath(transaction: Queryable, name: string, paths: readonly string[]): Promise<void> {
  const strange = paths.find((part) => part.includes(", "));
  if (strange !== undefined) throw new Error(`search_path cannot contain \`, \`: ${strange}`);
  const value = paths.length === 0 ? "DEFAULT" : paths.map(identifier).join(", ");
  await explained(`could not set search_path ${value} for ${name}`, () =>
    transaction.query(`ALTER ROLE ${identifier(name)} SET search_path TO ${value}`),
  );
}

/** What is set by ALTER ROLE … SET. `changed` undefined: at creation. */
async function setSettings(transaction: Queryable, inputs: RoleInputs, changed?: ReadonlySet<string>): Promise<void> {
  const name = inputs.name ?? "";
  await setSearchPath(transaction, name, inputs.searchPaths ?? []);
  for (const [key, setting] of TIMEOUTS) {
    const value = inputs[key] ?? 0;
    if (changed === undefined ? value === 0 : !changed.has(key)) continue;
    const action = value === 0 ? `RESET ${setting}` : `SET ${setting} TO ${value}`;
    await explained(`could not ${value === 0 ? "reset" : "set"} ${setting} for ${name}`, () =>
      transaction.query(`ALTER ROLE ${identifier(name)} ${action}`),
    );
  }
  const assumed = inputs.assumeRole ?? "";
  if (changed === undefined ? assumed === "" : !changed.has("assumeRole")) return;
  const action = assumed === "" ? "RESET ROLE" : `SET ROLE TO ${identifier(assumed)}`;
  await explained(`could not set role ${assumed} for ${name}`, () =>
    transaction.query(`ALTER ROLE ${identifier(name)} ${action}`),
  );
}

function creation(inputs: RoleInputs): string {
  const options: string[] = [];
  const password = inputs.password ?? "";
  if (password.toUpperCase() === "NULL") options.push("PASSWORD NULL");
  else if (password !== "") {
    options.push(inputs.encryptedPassword === false ? "UNENCRYPTED" : "ENCRYPTED", `PASSWORD ${literal(password)}`);
  }
  const until = inputs.validUntil ?? "infinity";
  if (until !== "") options.push(`VALID UNTIL ${until.toLowerCase() === "infinity" ? "'infinity'" : literal(until)}`);
  options.push(`CONNECTION LIMIT ${inputs.connectionLimit ?? -1}`);
  for (const [key, word] of SWITCHES) options.push((inputs[key] ?? false) ? word : `NO${word}`);
  return `CREATE ROLE ${identifier(inputs.name ?? "")} WITH ${options.join(" ")}`;
}

async function alter(transaction: Queryable, before: string, inputs: RoleInputs, { changed }: Diff): Promise<void> {
  const name = inputs.name ?? "";
  const run = (what: string, sql: string) => explained(`error updating role ${what}`, () => transaction.query(sql));
  if (name !== before) {
    if (name === "") throw new Error("error setting role name to an empty string");
    await run("NAME", `ALTER ROLE ${identifier(before)} RENAME TO ${identifier(name)}`);
  }
  const role = `ALTER ROLE ${identifier(name)}`;
  // Renaming drops an md5 password, so it is set anew then too. A password taken out of the program stays as it is.
  if ((changed.has("password") || name !== before) && inputs.password)
    await run("password", `${role} PASSWORD ${literal(inputs.password)}`);
  if (changed.has("connectionLimit"))
    await run("CONNECTION LIMIT", `${role} CONNECTION LIMIT ${inputs.connectionLimit ?? -1}`);
  for (const [key, word] of SWITCHES) {
    if (changed.has(key)) await run(word, `${role} WITH ${(inputs[key] ?? false) ? word : `NO${word}`}`);
  }
  if (changed.has("validUntil") && inputs.validUntil)
    await run("VALID UNTIL", `${role} VALID UNTIL ${literal(inputs.validUntil)}`);
}

/** The state after a create or update; the role is there by now, so a failure to read it is a partial one. */
async function stateAfter(server: Server, id: string, inputs: RoleInputs): Promise<{ id: string; state: RoleState }> {
  try {
    const state = await readRole(server, id, inputs.password);
    if (state === undefined) throw new Error(`role ${id} is gone right after it was written`);
    return { id, state };
  } catch (error) {
    throw new PartialFailure<RoleState>(id, {}, [messageOf(error)]);
  }
}

/** postgresql_role: a role of the whole server. Everything is changed in place, the name too. */
export const role = defineResource<typeof postgresql.Role, Server>({
  token: "postgresql:index/role:Role",
  inputs: {
    name: { autoname: true },
    password: { secret: true },
    roles: { unordered: true },
    searchPaths: {},
    encryptedPassword: { default: true },
    validUntil: { default: "infinity" },
    connectionLimit: { default: -1, validate: atLeast(-1) },
    superuser: { default: false },
    createDatabase: { default: false },
    createRole: { default: false },
    idleInTransactionSessionTimeout: { validate: atLeast(0) },
    inherit: { default: true },
    login: { default: false },
    replication: { default: false },
    bypassRowLevelSecurity: { default: false },
    skipDropRole: { default: false },
    skipReassignOwned: { default: false },
    statementTimeout: { validate: atLeast(0) },
    assumeRole: {},
  },

  async create(server, inputs) {
    const name = inputs.name ?? "";
    await server.transaction(undefined, async (transaction) => {
      await explained(`error creating role ${name}`, () => transaction.query(creation(inputs)));
      await grantRoles(transaction, name, inputs.roles ?? []);
      await setSettings(transaction, inputs);
    });
    return stateAfter(server, name, inputs);
  },

  async read(server, id, state) {
    const found = await readRole(server, id, state.password ?? undefined);
    return found && { id, state: found };
  },

  async update(server, id, old, inputs, diff) {
    const name = inputs.name ?? "";
    const before = old.name ?? id;
    await server.transaction(undefined, async (transaction) => {
      await lockRole(transaction, before);
      await alter(transaction, before, inputs, diff);
      await revokeRoles(transaction, name);
      await grantRoles(transaction, name, inputs.roles ?? []);
      await setSettings(transaction, inputs, diff.changed);
    });
    return stateAfter(server, name, inputs);
  },

  async delete(server, id, state) {
    const name = state.name ?? id;
    await server.transaction(undefined, async (transaction) => {
      await lockRole(transaction, name);
      // Only what is in the provider's own database: a role that owns something in another one cannot be dropped.
      if (state.skipReassignOwned !== true) {
        await withRolesGranted(transaction, [name], async () => {
          const sql = `REASSIGN OWNED BY ${identifier(name)} TO ${identifier(server.user)}`;
          await explained(`could not reassign owned by role ${name} to ${server.user}`, () => transaction.query(sql));
          await explained(`could not drop owned by role ${name}`, () =>
            transaction.query(`DROP OWNED BY ${identifier(name)}`),
          );
        });
      }
      if (state.skipDropRole !== true) {
        await explained(`could not delete role ${name}`, () => transaction.query(`DROP ROLE ${identifier(name)}`));
      }
    });
  },
});
