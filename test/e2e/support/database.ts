import type { Client } from "pg";
import { metricsOf, replicas } from "./replicas";
import type { Sandbox } from "./sandbox";

/** A connection to the service's database. The caller ends it. @throws Error with PostgreSQL's message */
export async function connectTo(
  sandbox: Sandbox,
  as: { user: string; password: string; database?: string },
): Promise<Client> {
  const { default: pg } = await import("pg");
  const client = new pg.Client({
    host: sandbox.get("PGHOST"),
    port: Number(sandbox.get("PGPORT")),
    database: as.database ?? "audit",
    user: as.user,
    password: as.password,
    ssl: false,
  });
  try {
    await client.connect();
    return client;
  } catch (error) {
    await client.end().catch(() => undefined);
    throw error;
  }
}

/** When the last of the replicas loaded its current configuration; milliseconds since 1970. */
export async function takenIn(sandbox: Sandbox): Promise<number> {
  const each = await Promise.all(
    (await replicas(sandbox)).map(async (replica) =>
      Number(/^audit_config_last_reload_timestamp_seconds (\S+)/m.exec(await metricsOf(sandbox, replica))?.[1]),
    ),
  );
  return Math.max(...each) * 1000;
}

/** For a line in the report. */
export function medianAndWorst(seconds: readonly number[]): string {
  const sorted = [...seconds].sort((a, b) => a - b);
  return `median ${sorted[Math.floor(sorted.length / 2)]?.toFixed(1)} s, worst ${sorted.at(-1)?.toFixed(1)} s`;
}
