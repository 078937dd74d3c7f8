import { spawn } from "node:child_process";
import { once } from "node:events";
import { types, type Client, type CustomTypesConfig, type QueryArrayConfig, type QueryArrayResult } from "pg";
import type { Context } from "../command";
import { CommandError, EXIT, messageOf } from "../errors";
import type { World } from "../world";
import { roleInSql } from "./role";
import { table } from "./table";

export interface QueryOptions {
  readonly statement: string | undefined;
  readonly write: boolean;
}

export async function openDatabase({ statement, write }: QueryOptions, context: Context): Promise<number> {
  const { output, interrupts } = context;
  const world = await context.world({ settings: "file" });
  const role = `${world.values.databaseName}_${write ? "owner" : "runtime"}`;
  if (statement === undefined) {
    output.note(
      write
        ? `As ${role}: changes are allowed. \\q ends psql.`
        : `As ${role}, read-only; --write allows changes. \\q ends psql.`,
    );
    return interrupts.attached(() => runPsql(world, role, write));
  }
  const client = await world.database(world.values.databaseName);
  try {
    await client.connect();
    const { command, rowCount, rows, fields } = await one(client, statement, { role, write, named: output.json });
    const text = fields.length === 0 ? `${command} ${rowCount ?? ""}`.trim() : table(fields, rows);
    const named = rows.map((row) => Object.fromEntries(fields.map(({ name }, at) => [name, row[at]])));
    output.answer({ command, rowCount, rows: named }, text);
    return EXIT.ok;
  } catch (error) {
    throw explained(error, world, role);
  } finally {
    await client.end().catch(() => undefined);
  }
}

/**
 * date, timestamp and lists of them, and as what they are read, text and its list: as a Date they would be another day
 * or hour in this machine's time zone. https://github.com/postgres/postgres/blob/master/src/include/catalog/pg_type.dat
 */
const ZONELESS: ReadonlyMap<number, number> = new Map([[1082, 25], [1114, 25], [1182, 1009], [1115, 1009]]); // prettier-ignore

/** Values as pg reads them, but for times without a zone, which stay the text that they are. */
export const TYPES: CustomTypesConfig = {
  getTypeParser: (oid: number) => types.getTypeParser(ZONELESS.get(oid) ?? oid) as (value: string) => unknown,
};

/**
 * One statement in a transaction of its own. The extended protocol takes no second one, so nothing in it gets out of
 * the read-only transaction and goes on.
 *
 * @throws CommandError, and changes nothing, if each column is to have a name of its own and has not
 */
async function one(
  client: Client,
  text: string,
  { role, write, named }: { role: string; write: boolean; named: boolean },
): Promise<QueryArrayResult<unknown[]>> {
  await client.query(`BEGIN ${write ? "READ WRITE" : "READ ONLY"}`);
  await client.query(`SET LOCAL ROLE ${client.escapeIdentifier(role)}`);
  // @types/pg does not know queryMode.
  const query = { text, queryMode: "extended", rowMode: "array", types: TYPES } as QueryArrayConfig;
  const result = await client.query<unknown[]>(query);
  const names = result.fields.map(({ name }) => name);
  const twice = named ? names.find((name, at) => names.indexOf(name) !== at) : undefined;
  if (twice !== undefined) throw new CommandError(`two columns are called ${twice}; with --json, name each by AS`);
  await client.query("COMMIT");
  return result;
}

/** With psql's own variables: the password is in its environment, never among its arguments. */
export function psqlEnvironment(world: World, role: string, write: boolean): Record<string, string | undefined> {
  const { values, env } = world;
  const { databaseSslMode: mode, caFile } = values;
  return {
    ...env,
    PGHOST: (values.databaseAdminHost ?? values.databaseHost).replace(/^\[|\]$/g, ""),
    PGPORT: String(values.databaseAdminPort || values.databasePort),
    PGUSER: values.databaseAdminUser,
    PGPASSWORD: world.login("PGPASSWORD", `export the password of ${values.databaseAdminUser}`),
    PGDATABASE: values.databaseName,
    PGSSLMODE: mode,
    ...(mode === "verify-full" ? { PGSSLROOTCERT: caFile?.file ?? env.PGSSLROOTCERT ?? "system" } : {}),
    PGOPTIONS: `-c role=${role} -c default_transaction_read_only=${write ? "off" : "on"}`,
    PGAPPNAME: "audit psql",
  };
}

async function runPsql(world: World, role: string, write: boolean): Promise<number> {
  const child = spawn("psql", [], {
    env: psqlEnvironment(world, role, write),
    cwd: world.project.directory,
    stdio: "inherit",
  });
  try {
    const [code] = (await once(child, "exit")) as [number | null];
    return code ?? EXIT.failed;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    throw new CommandError(
      "psql is not installed (Debian: postgresql-client); -c 'SELECT …' runs one statement without it",
    );
  }
}

/** PostgreSQL's SQLSTATEs: https://www.postgresql.org/docs/current/errcodes-appendix.html */
function explained(error: unknown, world: World, role: string): Error {
  if (error instanceof CommandError) return error;
  const { code = "" } = error as { code?: string };
  const { databaseAdminUser: user, databaseName } = world.values;
  const cure =
    code === "25006"
      ? "; --write allows changes"
      : code === "42601" && messageOf(error).includes("multiple commands")
        ? "; -c takes one statement, psql takes more"
        : code === "42501" && messageOf(error).includes("role")
          ? `; a superuser may grant it: GRANT ${role} TO ${roleInSql(user)}`
          : code === "28P01"
            ? `; PGPASSWORD is not the password of ${user} (audit:databaseAdminUser)`
            : "";
  return new CommandError(`PostgreSQL, database ${databaseName}: ${messageOf(error)}${cure}`);
}
