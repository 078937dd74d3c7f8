import type * as vault from "@pulumi/vault";
import { parseDuration } from "../docker/durations.js";
import { defineResource, type InputsOf, type StateOf } from "../framework/index.js";
import type { VaultClient } from "./client.js";
import { doing, keeping, trimSlashes, withComputed, textOf } from "./fields.js";

type Connection = typeof vault.database.SecretBackendConnection;
type Inputs = InputsOf<Connection>;
type State = StateOf<Connection>;
type Postgresql = NonNullable<Inputs["postgresql"]>;

const DEFAULT_PLUGIN = "postgresql-database-plugin";

function parts(id: string): { backend: string; name: string } {
  const match = /^(.+)\/config\/(.+)$/.exec(id);
  if (match === null) throw new Error(`invalid path ${JSON.stringify(id)} for database connection: no name found`);
  return { backend: match[1] ?? "", name: match[2] ?? "" };
}

/** @param sendPassword only at creation or when it changed: Vault may have rotated it since, and the old one would break the connection */
function body(inputs: Inputs, sendPassword: boolean): Record<string, unknown> {
  const postgresql: Postgresql = inputs.postgresql ?? {};
  const result: Record<string, unknown> = {
    plugin_name: (inputs.pluginName ?? "") === "" ? DEFAULT_PLUGIN : inputs.pluginName,
    username: postgresql.username ?? "",
    disable_escaping: postgresql.disableEscaping ?? false,
    max_idle_connections: postgresql.maxIdleConnections ?? 0,
    max_connection_lifetime: `${postgresql.maxConnectionLifetime ?? 0}s`,
    username_template: postgresql.usernameTemplate ?? "",
    verify_connection: inputs.verifyConnection ?? true,
    allowed_roles: (inputs.allowedRoles ?? []).join(","),
  };
  if (postgresql.connectionUrl) result.connection_url = postgresql.connectionUrl;
  if (postgresql.maxOpenConnections) result.max_open_connections = postgresql.maxOpenConnections;
  if (postgresql.passwordAuthentication) result.password_authentication = postgresql.passwordAuthentication;
  if (postgresql.tlsCa) result.tls_ca = postgresql.tlsCa;
  if (postgresql.tlsCertificate) result.tls_certificate = postgresql.tlsCertificate;
  if (postgresql.privateKey) result.private_key = postgresql.privateKey;
  if (sendPassword && postgresql.password) result.password = postgresql.password;
  if (inputs.passwordPolicy) result.password_policy = inputs.passwordPolicy;
  if ((inputs.rootRotationStatements ?? []).length > 0) result.root_rotation_statements = inputs.rootRotationStatements;
  return result;
}

function readPostgresql(details: Record<string, unknown>, known: Postgresql): Postgresql {
  const lifetime = parseDuration(textOf(details.max_connection_lifetime ?? "0s")) ?? 0;
  const result: Postgresql = {
    // The address as the program wrote it; Vault may tell it otherwise.
    connectionUrl: known.connectionUrl ?? textOf(details.connection_url),
    maxOpenConnections: Number(details.max_open_connections ?? 0),
    maxIdleConnections: Number(details.max_idle_connections ?? 0),
    maxConnectionLifetime: Math.trunc(lifetime / 1e9),
    usernameTemplate: textOf(details.username_template),
    username: textOf(details.username ?? known.username),
    disableEscaping: details.disable_escaping === true,
    passwordAuthentication: textOf(details.password_authentication ?? known.passwordAuthentication ?? "password"),
  };
  // Vault tells neither of these: assumed to be what was written last.
  if (known.password !== undefined) result.password = known.password;
  if (known.privateKey !== undefined) result.privateKey = known.privateKey;
  if (details.tls_ca !== undefined) result.tlsCa = textOf(details.tls_ca);
  if (details.tls_certificate !== undefined) result.tlsCertificate = textOf(details.tls_certificate);
  return result;
}

async function read(client: VaultClient, id: string, known: State): Promise<State | undefined> {
  const data = (await doing(`error reading database connection config ${JSON.stringify(id)}`, () => client.read(id)))
    ?.data;
  if (data === undefined || data === null) return undefined;
  const details = (data.connection_details ?? {}) as Record<string, unknown>;
  return {
    ...parts(id),
    pluginName: textOf(data.plugin_name),
    passwordPolicy: textOf(data.password_policy),
    allowedRoles: (data.allowed_roles as string[] | null) ?? [],
    rootRotationStatements: (data.root_credentials_rotate_statements as string[] | null) ?? [],
    postgresql: readPostgresql(details, known.postgresql ?? {}),
  };
}

async function write(
  client: VaultClient,
  id: string,
  inputs: Inputs,
  sendPassword: boolean,
): Promise<{ id: string; state: State }> {
  await doing(`error configuring database connection ${JSON.stringify(id)}`, () =>
    client.write(id, body(inputs, sendPassword)),
  );
  return keeping(id, async () => {
    const state = await read(client, id, inputs);
    if (state === undefined) throw new Error(`database connection ${id} was gone when it was read back`);
    return { id, state };
  });
}

/** A database engine's connection to PostgreSQL. Vault connects to it at once, unless `verifyConnection` is false. */
export const databaseConnection = defineResource<Connection, VaultClient>({
  token: "vault:database/secretBackendConnection:SecretBackendConnection",
  inputs: {
    backend: { required: true, forceNew: true, stateOf: trimSlashes },
    name: { required: true, autoname: true },
    pluginName: {
      computed: true,
      validate: (value) =>
        value.startsWith("postgresql")
          ? undefined
          : `sandbox stand-in: only plugins whose name begins with postgresql are implemented, got ${value}`,
    },
    verifyConnection: { default: true },
    allowedRoles: {},
    rootRotationStatements: {},
    passwordPolicy: {},
    postgresql: {
      required: true,
      fields: {
        connectionUrl: {},
        maxOpenConnections: { default: 2 },
        maxIdleConnections: {},
        maxConnectionLifetime: {},
        username: {},
        password: { secret: true },
        usernameTemplate: {},
        disableEscaping: {},
        passwordAuthentication: { default: "password" },
        tlsCa: {},
        tlsCertificate: {},
        privateKey: { secret: true },
      },
    },
  },
  create: (client, inputs) =>
    write(client, `${trimSlashes(inputs.backend)}/config/${trimSlashes(inputs.name ?? "")}`, inputs, true),
  async read(client, id, state) {
    const found = await read(client, id, state);
    return found === undefined ? undefined : { id, state: found };
  },
  update(client, id, old, inputs) {
    const changed = old.postgresql?.password !== inputs.postgresql?.password;
    // A new name writes a second connection; the first one stays in Vault, as with the genuine plugin.
    const path = `${trimSlashes(inputs.backend)}/config/${trimSlashes(inputs.name ?? "")}`;
    return keeping(id, () => write(client, path, withComputed(inputs, old, ["pluginName"]), changed));
  },
  async delete(client, id) {
    await doing(`error removing database connection config ${JSON.stringify(id)}`, () => client.delete(id));
  },
});
