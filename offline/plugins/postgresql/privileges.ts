import type { Server } from "./connection.js";
import { sameSet } from "./sql.js";

const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  database: ["ALL", "CREATE", "CONNECT", "TEMPORARY"],
  table: ["ALL", "SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER"],
  sequence: ["ALL", "USAGE", "SELECT", "UPDATE"],
  schema: ["ALL", "CREATE", "USAGE"],
  function: ["ALL", "EXECUTE"],
  procedure: ["ALL", "EXECUTE"],
  routine: ["ALL", "EXECUTE"],
  type: ["ALL", "USAGE"],
  foreign_data_wrapper: ["ALL", "USAGE"],
  foreign_server: ["ALL", "USAGE"],
  column: ["ALL", "SELECT", "INSERT", "UPDATE", "REFERENCES"],
};

/** `pg_class.relkind` and `pg_default_acl.defaclobjtype` of the object types that have one. */
export const OBJECT_CODES: Readonly<Record<string, string>> = {
  table: "r",
  sequence: "S",
  function: "f",
  routine: "f",
  type: "T",
  schema: "n",
};

/** What can be granted on objects of a type by this server; MAINTAIN came with PostgreSQL 17. */
export async function allowedPrivileges(server: Server, objectType: string): Promise<readonly string[]> {
  const allowed = ALLOWED[objectType];
  if (allowed === undefined) throw new Error(`unknown object type ${objectType}`);
  return objectType === "table" && (await server.majorVersion()) >= 17 ? [...allowed, "MAINTAIN"] : allowed;
}

export async function checkPrivileges(
  server: Server,
  objectType: string,
  privileges: readonly string[],
): Promise<void> {
  const allowed = await allowedPrivileges(server, objectType);
  for (const privilege of privileges) {
    if (!allowed.includes(privilege)) {
      throw new Error(`${privilege} is not an allowed privilege for object type ${objectType}`);
    }
  }
}

/** Whether what is granted is what is wanted; ALL is fulfilled by each privilege of its own. */
export async function fulfils(
  server: Server,
  objectType: string,
  granted: readonly string[],
  wanted: readonly string[],
): Promise<boolean> {
  if (sameSet(granted, wanted)) return true;
  if (!wanted.includes("ALL")) return false;
  const all = (await allowedPrivileges(server, objectType)).filter((privilege) => privilege !== "ALL");
  return sameSet(granted, all);
}
