import type * as vault from "@pulumi/vault";
import sdk from "@pulumi/vault/package.json" with { type: "json" };
import { defineProvider, type ConfigOf } from "../framework/index.js";
import { appRole } from "./approle-role.js";
import { appRoleSecretId } from "./approle-secret-id.js";
import { authBackend } from "./auth-backend.js";
import { VaultClient } from "./client.js";
import { databaseConnection } from "./database-connection.js";
import { databaseRole, databaseStaticRole } from "./database-roles.js";
import { jwtBackend } from "./jwt-backend.js";
import { jwtRole } from "./jwt-role.js";
import { secretV2 } from "./kv.js";
import { mount } from "./mount.js";
import { pkiRole } from "./pki-role.js";
import { pkiRootCert } from "./pki-root.js";
import { pkiUrls } from "./pki-urls.js";
import { policy } from "./policy.js";
import { transitKey } from "./transit-key.js";

type Config = ConfigOf<typeof vault.Provider>;

function jwtLogin(login: NonNullable<Config["authLoginJwt"]>) {
  for (const key of Object.keys(login)) {
    if (!["mount", "role", "jwt"].includes(key))
      throw new Error(`sandbox stand-in: vault Provider does not implement authLoginJwt.${key}`);
  }
  const jwt = login.jwt ?? process.env.TERRAFORM_VAULT_AUTH_JWT ?? "";
  if (jwt === "")
    throw new Error(
      "authLoginJwt: no jwt given; set authLoginJwt.jwt or TERRAFORM_VAULT_AUTH_JWT to the JWT to log in with",
    );
  return { mount: login.mount ?? "jwt", role: login.role, jwt };
}

function connect(config: Config): VaultClient {
  const env = (name: string) => (process.env[name] === "" ? undefined : process.env[name]);
  const address = config.address ?? "";
  if (address === "")
    throw new Error("failed to configure Vault address; set the provider's address, or VAULT_ADDR in the environment");
  return new VaultClient({
    address,
    token: config.token ?? "",
    namespace: config.namespace ?? env("VAULT_NAMESPACE"),
    skipChildToken: config.skipChildToken ?? false,
    maxLeaseTtlSeconds: config.maxLeaseTtlSeconds ?? 1200,
    maxRetries: config.maxRetries ?? 2,
    skipTlsVerify: config.skipTlsVerify ?? false,
    caCertFile: config.caCertFile ?? env("VAULT_CACERT"),
    tlsServerName: config.tlsServerName ?? env("VAULT_TLS_SERVER_NAME"),
    tokenName: config.tokenName ?? env("VAULT_TOKEN_NAME") ?? "terraform",
    headers: Object.fromEntries((config.headers ?? []).map(({ name, value }) => [name, value])),
    jwtLogin: config.authLoginJwt === undefined ? undefined : jwtLogin(config.authLoginJwt),
  });
}

const fromEnvironment = {
  boolean: (name: string) => () => {
    const value = process.env[name];
    return value === undefined || value === "" ? undefined : /^(1|t|true)$/i.test(value);
  },
  number: (name: string) => () => {
    const value = Number(process.env[name] ?? "");
    return Number.isFinite(value) && value !== 0 ? value : undefined;
  },
};

export const vaultProvider = defineProvider<typeof vault.Provider, VaultClient>({
  name: "vault",
  version: sdk.version,
  config: {
    address: { default: () => process.env.VAULT_ADDR },
    // Not marked secret, as in the genuine plugin: a program has to do that itself, or leave it to VAULT_TOKEN.
    token: {},
    tokenName: {},
    namespace: {},
    caCertFile: {},
    tlsServerName: {},
    skipChildToken: { json: true, default: fromEnvironment.boolean("TERRAFORM_VAULT_SKIP_CHILD_TOKEN") },
    skipTlsVerify: { json: true, default: fromEnvironment.boolean("VAULT_SKIP_VERIFY") },
    maxRetries: { json: true, default: fromEnvironment.number("VAULT_MAX_RETRIES") },
    maxLeaseTtlSeconds: { json: true, default: fromEnvironment.number("TERRAFORM_VAULT_MAX_TTL") },
    headers: { json: true },
    authLoginJwt: { json: true },
  },
  configure: connect,
  close(client) {
    client.close();
    return Promise.resolve();
  },
  resources: [
    mount,
    secretV2,
    policy,
    authBackend,
    appRole,
    appRoleSecretId,
    jwtBackend,
    jwtRole,
    databaseConnection,
    databaseRole,
    databaseStaticRole,
    transitKey,
    pkiRootCert,
    pkiRole,
    pkiUrls,
  ],
});
