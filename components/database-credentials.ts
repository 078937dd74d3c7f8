import * as command from "@pulumi/command";
import * as postgresql from "@pulumi/postgresql";
import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";
import * as vault from "@pulumi/vault";
import type { Database, DatabaseServer } from "./database";
import { inUrl } from "./network-address";
import { vaultEnvironment, type VaultAccess } from "./vault-access";

export interface DatabaseCredentialsArgs {
  /** The database that is to be logged in to. */
  database: Database;
  /** PostgreSQL as Vault reaches it. */
  server: DatabaseServer;
  /** Provider for PostgreSQL; it needs CREATEROLE. */
  postgres: postgresql.Provider;
  vault: VaultAccess & {
    /** Mount of the database secrets engine, which must be there; default "database". */
    mount?: string;
  };
  /** How long a login works unless it is renewed; seconds, default 1 hour. Vault may be away for as long as is left of it. */
  ttl?: number;
  /** After how long it is not renewed any more, but another one made; seconds, default 1 day. */
  maxTtl?: number;
}

/**
 * Logins that Vault makes for whoever may ask, each with an end of its own: Vault's database secrets engine, with a login to
 * PostgreSQL that may give away one membership and nothing else. Nobody knows that login's password: it is given to Vault
 * once, and Vault changes it at once (docs/decisions/0074).
 */
export class DatabaseCredentials extends pulumi.ComponentResource {
  /** Path in Vault at which a login is had. */
  readonly path: string;
  /** Done once a login can be had; whoever has one must be gone before this is. */
  readonly ready: pulumi.Resource;

  constructor(name: string, args: DatabaseCredentialsArgs, opts?: pulumi.ComponentResourceOptions) {
    super("audit:index:DatabaseCredentials", name, {}, opts);
    const mount = args.vault.mount ?? "database";
    const inVault = { parent: this, provider: args.vault.provider };
    this.path = `${mount}/creds/${name}`;
    const maker = this.#maker(name, args);

    const { host, port, sslMode, authority } = args.server;
    const connection = new vault.database.SecretBackendConnection(
      `${name}-database`,
      {
        backend: mount,
        name,
        allowedRoles: [name],
        verifyConnection: true,
        postgresql: {
          connectionUrl: pulumi.interpolate`postgresql://{{username}}:{{password}}@${inUrl(host)}:${port}/${args.database.name}?sslmode=${sslMode}`,
          username: maker.login,
          password: maker.password,
          // Vault's server has a store of its own, and no file of ours.
          tlsCa: authority?.pem,
        },
      },
      { ...inVault, dependsOn: maker.rights },
    );
    const environment = vaultEnvironment(args.vault);
    const rotated = new command.local.Command(
      `${name}-database-rotated`,
      {
        create: "node --require tsx/cjs vault-agent/rotate-root.ts",
        environment: { ...environment, AUDIT_DATABASE: `${mount}/rotate-root/${name}` },
        triggers: [connection.id],
        logging: command.types.enums.local.Logging.Stderr,
      },
      { parent: this, dependsOn: [connection] },
    );
    const role = new vault.database.SecretBackendRole(
      `${name}-database-role`,
      {
        backend: mount,
        name,
        dbName: connection.name,
        creationStatements: [
          pulumi.interpolate`CREATE ROLE "{{name}}" WITH LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}' IN ROLE "${args.database.runtimeRole}";`,
        ],
        // Vault's own statements would look for objects that it owns; it can own none.
        revocationStatements: ['DROP ROLE IF EXISTS "{{name}}";'],
        defaultTtl: args.ttl ?? 3600,
        maxTtl: args.maxTtl ?? 24 * 3600,
      },
      { ...inVault, dependsOn: [rotated] },
    );
    this.ready = new command.local.Command(
      `${name}-database-leases`,
      {
        create: "true",
        // Otherwise the logins outlive the one who made them, which PostgreSQL does not allow, and Vault could not drop them any more.
        delete: "node --require tsx/cjs vault-agent/revoke-leases.ts",
        environment: { ...environment, AUDIT_LEASES: this.path },
        logging: command.types.enums.local.Logging.Stderr,
      },
      { parent: this, dependsOn: [role] },
    );
    this.registerOutputs({});
  }

  /** Vault's own login: it makes roles, and may make them members of the runtime group. */
  #maker(name: string, { database, postgres }: DatabaseCredentialsArgs) {
    const inPostgres = { parent: this, provider: postgres };
    // The vault SDK does not mark it where it stands within another argument.
    const password = pulumi.secret(
      new random.RandomPassword(`${name}-vault-password`, { length: 32, special: false }, { parent: this }).result,
    );
    const role = new postgresql.Role(
      `${name}-vault`,
      {
        name: pulumi.interpolate`${database.name}_vault`,
        login: true,
        createRole: true,
        // It gives the membership away and does not use it.
        inherit: false,
        password,
      },
      // The memberships are not this resource's: below is one, and since PostgreSQL 16 each login that is made is another.
      { ...inPostgres, ignoreChanges: ["roles"] },
    );
    // Since PostgreSQL 16 only who has ADMIN on a role may make others its members; CREATEROLE alone reaches one's own roles only.
    const admin = new postgresql.GrantRole(
      `${name}-vault-admin`,
      { role: role.name, grantRole: database.runtimeRole, withAdminOption: true },
      inPostgres,
    );
    const connect = new postgresql.Grant(
      `${name}-vault-connect`,
      { database: database.name, objectType: "database", role: role.name, privileges: ["CONNECT"] },
      { ...inPostgres, dependsOn: [admin] },
    );
    return { login: role.name, password, rights: [admin, connect] };
  }
}
