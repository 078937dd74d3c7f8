import type { Client } from "pg";
import type { CertificateAuthority } from "../../lib/certificate-authority";

/**
 * The login with which the program creates roles and the database, in the form its plugin takes. Its password is
 * PGPASSWORD.
 */
export interface DatabaseAdmin {
  host: string;
  port: number;
  username: string;
  sslmode: string;
}

/** Milliseconds to wait for the server, and for each answer. */
const PATIENCE = 5_000;

/** A client of PostgreSQL with the program's login, not connected yet. */
export async function adminClient(
  { host, port, username: user, sslmode }: DatabaseAdmin,
  password: string,
  authority: CertificateAuthority | undefined,
  database = "postgres",
): Promise<Client> {
  // Imported only when needed: loading it takes longer than a query.
  const { Client: Postgres } = await import("pg");
  const ssl =
    sslmode === "disable" ? false : sslmode === "require" ? { rejectUnauthorized: false } : { ca: authority?.pem };
  const client = new Postgres({
    ...{ host: host.replace(/^\[|\]$/g, ""), port, user, password, ssl, database },
    ...{ connectionTimeoutMillis: PATIENCE, query_timeout: PATIENCE },
  });
  // An error after the query is irrelevant; without a listener it would end the process.
  client.on("error", () => undefined);
  return client;
}
