import { spawn } from "node:child_process";
import { once } from "node:events";
import type { Client, QueryConfig, QueryResult } from "pg";
import type { Context } from "../command";
import { CommandError, EXIT, messageOf } from "../errors";
import type { World } from "../world";
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
    const { command, rowCount, rows, fields } = await one(client, statement, role, write);
    const answer = { command, rowCount, rows };
    output.answer(answer, fields.length === 0 ? `${command} ${rowCount ?? ""}`.trim() : table(fields, rows));
    return EXIT.ok;
  } catch (error) {
    throw explained(error, world, role);
  } finally {
    await client.end().catch(() => undefined);
  }
}

/**
 * One statement in a transaction of its own. The extended protocol takes no second one, so nothing in it gets out of
 * the read-only transaction and goes on.
 */
async function one(client: Client, text: string, role: string, write: boolean): Promise<QueryResult<Record<string, unknown>>> {
  await client.query(`BEGIN ${write ? "READ WRITE" : "READ ONLY"}`);
  await client.query(`SET LOCAL ROLE ${client.escapeIdentifier(role)}`);
  // @types/pg does not know queryMode.
  const result = await client.query<Record<string, unknown>>({ text, queryMode: "extended" } as QueryConfig);
  await client.query("COMMIT");
  return result;
} // prettier-ignore

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
          ? `; a superuser may grant it: GRANT ${role} TO ${user}`
          : code === "28P01"
            ? `; PGPASSWORD is not the password of ${user} (audit:databaseAdminUser)`
            : "";
  return new CommandError(`PostgreSQL, database ${databaseName}: ${messageOf(error)}${cure}`);
}
