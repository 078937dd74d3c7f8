import * as pulumi from "@pulumi/pulumi";
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

/** Milliseconds to wait for the server. If it does not answer, its plugin reports that later. */
const PATIENCE = 5_000;

/** The first version in which CREATEROLE covers only the roles that its holder may administer. */
const NARROW = 160_000;

/**
 * Warns, before anything is changed, if the login can do far more on the server than this program needs. A preview does
 * not warn: it has no login, and one warning is enough. If the server does not answer, the plugin reports it in more
 * detail.
 */
export async function warnOfBroadCreateRole(admin: DatabaseAdmin, authority?: CertificateAuthority): Promise<void> {
  const password = process.env.PGPASSWORD;
  if (pulumi.runtime.isDryRun() || password === undefined) return;
  const found = await ask(admin, password, authority).catch(() => undefined);
  if (found === undefined || !found.createrole || found.version >= NARROW) return;
  await pulumi.log.warn(
    `PostgreSQL at ${admin.host}:${admin.port} is version ${Math.floor(found.version / 10_000)}, in which CREATEROLE covers every role that is not a superuser: ` +
      `whoever has the login ${admin.username} can change the passwords of other programs' roles on that server, and make itself a member of ` +
      `pg_execute_server_program, which runs commands on the server's host. Upgrade it to 16 or newer, or give this service a server of its own ` +
      `(docs/security.md, "Not defended").`,
  );
}

async function ask(
  { host, port, username: user, sslmode }: DatabaseAdmin,
  password: string,
  authority: CertificateAuthority | undefined,
): Promise<{ version: number; createrole: boolean } | undefined> {
  // Imported only when needed: loading it takes longer than the query.
  const { Client } = await import("pg");
  const ssl =
    sslmode === "disable" ? false : sslmode === "require" ? { rejectUnauthorized: false } : { ca: authority?.pem };
  const client = new Client({
    ...{ host: host.replace(/^\[|\]$/g, ""), port, user, password, ssl, database: "postgres" },
    ...{ connectionTimeoutMillis: PATIENCE, query_timeout: PATIENCE },
  });
  // An error after the query is irrelevant; without a listener it would end the process.
  client.on("error", () => undefined);
  try {
    await client.connect();
    const { rows } = await client.query<{ version: number; createrole: boolean }>(
      "SELECT current_setting('server_version_num')::int AS version, rolcreaterole AS createrole FROM pg_roles WHERE rolname = current_user",
    );
    return rows[0];
  } finally {
    await client.end().catch(() => undefined);
  }
}
