import type * as postgresql from "@pulumi/postgresql";
import { defineResource, messageOf, PartialFailure, type StateOf } from "../framework/index.js";
import type { Queryable, Server } from "./connection.js";
import { explained, identifier } from "./sql.js";

type GrantRoleState = StateOf<typeof postgresql.GrantRole>;

async function readMembership(
  server: Server,
  role: string,
  granted: string,
): Promise<{ id: string; state: GrantRoleState } | undefined> {
  const { rows } = await server.connected(undefined, (db) =>
    explained("error reading grant role", () =>
      db.query<{ admin: boolean }>(
        "SELECT admin_option AS admin FROM pg_auth_members WHERE pg_get_userbyid(member) = $1 AND pg_get_userbyid(roleid) = $2",
        [role, granted],
      ),
    ),
  );
  const row = rows[0];
  if (row === undefined) return undefined;
  return { id: `${role}_${granted}_${row.admin}`, state: { role, grantRole: granted, withAdminOption: row.admin } };
}

async function revoke(transaction: Queryable, role: string, granted: string): Promise<void> {
  await explained("could not execute revoke query", () =>
    transaction.query(`REVOKE ${identifier(granted)} FROM ${identifier(role)}`),
  );
}

/**
 * postgresql_grant_role: membership of one role in another. Everything replaces, and the new one is made before the old one
 * is deleted; since both are the same membership, changing only `withAdminOption` ends with none (until the next refresh).
 */
export const grantRole = defineResource<typeof postgresql.GrantRole, Server>({
  token: "postgresql:index/grantRole:GrantRole",
  inputs: {
    role: { required: true, forceNew: true },
    grantRole: { required: true, forceNew: true },
    withAdminOption: { default: false, forceNew: true },
  },

  async create(server, { role, grantRole: granted, withAdminOption }) {
    await server.transaction(undefined, async (transaction) => {
      await revoke(transaction, role, granted);
      const option = withAdminOption === true ? " WITH ADMIN OPTION" : "";
      await explained("could not execute grant query", () =>
        transaction.query(`GRANT ${identifier(granted)} TO ${identifier(role)}${option}`),
      );
    });
    const id = `${role}_${granted}_${withAdminOption === true}`;
    try {
      const found = await readMembership(server, role, granted);
      if (found === undefined) throw new Error(`role ${role} is no member of ${granted} right after the grant`);
      return found;
    } catch (error) {
      throw new PartialFailure<GrantRoleState>(id, {}, [messageOf(error)]);
    }
  },

  read: (server, _id, state) => readMembership(server, state.role ?? "", state.grantRole ?? ""),

  async delete(server, _id, state) {
    await server.transaction(undefined, (transaction) => revoke(transaction, state.role ?? "", state.grantRole ?? ""));
  },
});
