import * as pulumi from "@pulumi/pulumi";
import type { CertificateAuthority } from "../../lib/certificate-authority";

/** The login by which the program makes roles and database, as its plugin has it. Its password is PGPASSWORD. */
export interface DatabaseAdmin {
  host: string;
  port: number;
  username: string;
  sslmode: string;
}

/** Milliseconds until a server that says nothing is left to the plugin that needs it. */
const PATIENCE = 5_000;

/** The first version in which CREATEROLE reaches those roles alone that its holder may administer. */
const NARROW = 160_000;

/**
 * Warns, before anything is changed, where the login can do far more on the server than this program needs. Not in a preview, so that
 * it is said once, and because a preview has no login. A server that cannot be asked is left to the plugin, which says more.
 */
export async function warnOfBroadCreateRole(admin: DatabaseAdmin, authority?: CertificateAuthority): Promise<void> {
  const password = process.env.PGPASSWORD;
  if (pulumi.runtime.isDryRun() || password === undefined) return;
  const found = await ask(admin, password, authority).catch(() => undefined);
  if (found === undefined || !found.createrole || found.version >= NARROW) return;
  await pulumi.log.warn(
    `PostgreSQL at ${admin.host}:${admin.port} is version ${Math.floor(found.version / 10_000)}, in which CREATEROLE reaches every role that is no superuser: ` +
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
  // Only when it is needed: loading it takes longer than asking.
  const { Client } = await import("pg");
  const ssl =
    sslmode === "disable" ? false : sslmode === "require" ? { rejectUnauthorized: false } : { ca: authority?.pem };
  const client = new Client({
    ...{ host: host.replace(/^\[|\]$/g, ""), port, user, password, ssl, database: "postgres" },
    ...{ connectionTimeoutMillis: PATIENCE, query_timeout: PATIENCE },
  });
  // What ends the connection afterwards is nobody's business here.
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
