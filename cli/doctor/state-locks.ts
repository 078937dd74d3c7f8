import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import type { Env, Project } from "../project";

/** Milliseconds to wait for the server, and for its answer. */
const PATIENCE = 5_000;

/**
 * Who holds the lock of a stack's state, such as `root@runner-7 (pid 4711)`. The CLI tells it only to those who want
 * the lock themselves, so this reads what it keeps in PostgreSQL
 * (https://github.com/pulumi/pulumi/tree/master/pkg/backend/diy/postgres).
 *
 * @returns undefined if the state is elsewhere
 */
export async function stateLocks({ directory, stack }: Project, env: Env): Promise<readonly string[] | undefined> {
  const address = env.PULUMI_BACKEND_URL ?? "";
  if (!/^postgres(ql)?:/.test(address) || !URL.canParse(address)) return undefined;
  const url = new URL(address);
  const table = url.searchParams.get("table") ?? "pulumi_state";
  url.searchParams.delete("table");
  // As the CLI understands `sslmode`.
  url.searchParams.set("uselibpqcompat", "true");
  if (!/^[a-z_][\w.]*$/i.test(table)) return undefined;
  const { name = "" } = parse(readFileSync(join(directory, "Pulumi.yaml"), "utf8")) as { name?: string };
  const { Client } = await import("pg");
  const limits = { connectionTimeoutMillis: PATIENCE, query_timeout: PATIENCE };
  const client = new Client({ connectionString: url.href, ...limits });
  // An error after the query is irrelevant; without a listener it would end the process.
  client.on("error", () => undefined);
  try {
    await client.connect();
    const { rows } = await client.query<{ data: string }>(
      `SELECT data->>'data' AS data FROM ${table} WHERE strpos(key, $1) > 0`,
      [`locks/organization/${name}/${stack}/`],
    );
    return rows.map(({ data }) => {
      const lock = JSON.parse(Buffer.from(data, "base64").toString()) as Record<string, unknown>;
      return `${String(lock.username)}@${String(lock.hostname)} (pid ${String(lock.pid)})`;
    });
  } finally {
    await client.end();
  }
}
