import * as pulumi from "@pulumi/pulumi";
import type { CertificateAuthority } from "../../lib/certificate-authority";
import { adminClient, type DatabaseAdmin } from "./admin-client";

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
  admin: DatabaseAdmin,
  password: string,
  authority: CertificateAuthority | undefined,
): Promise<{ version: number; createrole: boolean } | undefined> {
  const client = await adminClient(admin, password, authority);
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
