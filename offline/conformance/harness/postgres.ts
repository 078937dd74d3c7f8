import pg from "pg";
import { backend } from "./backends.js";

/** Runs one statement as the administrator. */
export async function sql(text: string, database?: string): Promise<Record<string, unknown>[]> {
  return query(connection(database), text);
}

/** Runs one statement as another user; rejects where that user may not. */
export async function sqlAs(
  user: string,
  password: string,
  text: string,
  database?: string,
): Promise<Record<string, unknown>[]> {
  const url = connection(database);
  url.username = encodeURIComponent(user);
  url.password = encodeURIComponent(password);
  return query(url, text);
}

async function query(url: URL, text: string): Promise<Record<string, unknown>[]> {
  // Without a time limit, a connection that the server drops while it starts leaves the promise pending for ever.
  const client = new pg.Client({ connectionString: url.href, connectionTimeoutMillis: 5_000 });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(text)).rows;
  } finally {
    await client.end();
  }
}

/** The administrator's URL, of another database where one is named. */
export function connection(database?: string): URL {
  const url = new URL(backend("postgres").url);
  if (database !== undefined) {
    url.pathname = `/${encodeURIComponent(database)}`;
  }
  return url;
}

/** The plugin's settings that reach the same server. */
export function providerSettings(): Record<string, unknown> {
  const url = connection();
  return {
    host: url.hostname,
    port: Number(url.port || 5432),
    username: decodeURIComponent(url.username),
    password: decodeURIComponent(url.password),
    sslmode: "disable",
    superuser: true,
  };
}
