import pg from "pg";
import { addressOf, containerName, hostName, sandboxName } from "../settings.js";
import { until } from "../wait.js";
import { certificateOf } from "./authority.js";
import type { Context } from "./context.js";

export const postgresVolume = `${sandboxName}-postgres`;
/** Database with the stack's state; its owner has the same name. */
export const stateDatabase = "pulumi_state";
/** The role that the program logs in as: it may create roles and databases but is not a superuser. */
export const deployerRole = "deployer";
/** The role that the pipeline's job `drift` logs in as: it may only connect. */
export const driftRole = "drift";

/**
 * PostgreSQL with the roles `deployer` for the program, `drift` for the job of that name, and `pulumi_state` for the
 * state.
 * @returns true when there was nothing to do.
 */
export async function ensurePostgres(context: Context, image: string): Promise<boolean> {
  const { engine, settings, state } = context;
  const { certificate, key } = await certificateOf(settings, state, "postgres");
  const tls = "/etc/sandbox/postgres";
  const running = await engine.ensureContainer({
    name: containerName("postgres"),
    image,
    hostname: hostName("postgres"),
    address: addressOf(settings, "postgres"),
    env: { POSTGRES_PASSWORD_FILE: "/etc/sandbox/postgres-password" },
    command: ["postgres", "-c", "ssl=on", "-c", `ssl_cert_file=${tls}.pem`, "-c", `ssl_key_file=${tls}.key`],
    files: [
      { path: "/etc/sandbox/postgres-password", content: state.secret("postgres") },
      { path: `${tls}.pem`, content: certificate },
      // The uid is the official image's; PostgreSQL refuses a key that others may read.
      { path: `${tls}.key`, content: key, mode: 0o600, uid: 999, gid: 999 },
    ],
    volumes: { [postgresVolume]: "/var/lib/postgresql/data" },
    ports: { 5432: settings.ports.postgres },
    stopSeconds: 30,
  });
  return (await ensureRoles(context)) && running;
}

async function ensureRoles(context: Context): Promise<boolean> {
  const client = await connectAsAdmin(context);
  try {
    const { rows } = await client.query<{ deployer: boolean; drift: boolean; owner: boolean; database: boolean }>(
      `SELECT EXISTS (SELECT FROM pg_roles r JOIN pg_db_role_setting s ON s.setrole = r.oid WHERE rolname = $1) AS deployer,
              EXISTS (SELECT FROM pg_roles WHERE rolname = $2) AS owner,
              EXISTS (SELECT FROM pg_database WHERE datname = $2) AS database,
              EXISTS (SELECT FROM pg_roles WHERE rolname = $3) AS drift`,
      [deployerRole, stateDatabase, driftRole],
    );
    const found = rows[0];
    if (found?.deployer && found.drift && found.owner && found.database) return true;
    // Each statement can be repeated, so an interrupted first run continues here.
    await ensureRole(client, deployerRole, "CREATEROLE CREATEDB", context.state.secret("deployer"));
    await ensureRole(client, driftRole, "", context.state.secret("drift"));
    await ensureRole(client, stateDatabase, "", context.state.secret("pulumi_state"));
    if (!found?.database) await client.query(`CREATE DATABASE ${stateDatabase} OWNER ${stateDatabase}`);
    await client.query(`REVOKE ALL ON DATABASE ${stateDatabase} FROM PUBLIC`);
    // Since PostgreSQL 16 a role with CREATEROLE is not a member of the roles it creates, and without that could not
    // let them own a database.
    await client.query(`ALTER ROLE ${deployerRole} SET createrole_self_grant = 'set, inherit'`);
    return false;
  } finally {
    await client.end();
  }
}

async function ensureRole(client: pg.Client, role: string, rights: string, password: string): Promise<void> {
  const { rowCount } = await client.query("SELECT FROM pg_roles WHERE rolname = $1", [role]);
  const verb = rowCount ? "ALTER" : "CREATE";
  // The password is base64url by construction (State.secret), so it needs no escaping.
  await client.query(`${verb} ROLE ${role} LOGIN NOSUPERUSER ${rights} PASSWORD '${password}'`);
}

/** A connection as PostgreSQL's superuser, for the sandbox's own work. The caller ends it. */
export async function connectAsAdmin(
  { settings, state }: Pick<Context, "settings" | "state">,
  database = "postgres",
): Promise<pg.Client> {
  return until("PostgreSQL", 60, async () => {
    const client = new pg.Client({
      host: "127.0.0.1",
      port: settings.ports.postgres,
      user: "postgres",
      password: state.secret("postgres"),
      database,
      // A local connection, whatever PGSSLMODE from `make env` says.
      ssl: false,
      connectionTimeoutMillis: 5_000,
    });
    // PostgreSQL drops connections during its first start; without a listener that would end the process.
    client.on("error", () => undefined);
    try {
      await client.connect();
      return client;
    } catch (error) {
      await client.end().catch(() => undefined);
      throw error;
    }
  });
}
