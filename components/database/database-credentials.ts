import * as command from "@pulumi/command";
import * as postgresql from "@pulumi/postgresql";
import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";
import * as vault from "@pulumi/vault";
import { LOGIN_TTL, loginIssuer } from "../../lib/vault/rights";
import type { CertificateAuthority } from "../../lib/certificate-authority";
import { adopted, OWNED } from "../secrets/in-vault";
import { vaultEnvironment, type VaultAccess } from "../secrets/vault-access";
import { stepCommand } from "../step-command";

export interface DatabaseServer {
  /** Server as the service reaches it. */
  host: string;
  port: number;
  /** `disable`, `require` or `verify-full`, for the service's connections. */
  sslMode: string;
  /** Who signed its certificate, for `verify-full`; default: who the service's image trusts. */
  authority?: CertificateAuthority;
}

/** Vault that makes logins. */
export type LoginIssuer = VaultAccess & {
  /** Mount of the database secrets engine, which must be there; default "database". */
  mount?: string;
};

export interface DatabaseCredentialsArgs {
  /** The database that is to be logged in to, what must be done before anybody may connect, and the role whose members may. */
  database: { name: string; ready: pulumi.CustomResource; runtimeRole: pulumi.Input<string> };
  /** PostgreSQL as Vault reaches it. */
  server: DatabaseServer;
  /** Provider for PostgreSQL; it needs CREATEROLE. */
  postgres: postgresql.Provider;
  vault: LoginIssuer;
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
    const issuer = this.#issuer(name, args);

    const made = args.vault.inVault ?? OWNED;
    const { connectionUrl, username, creationStatements, revocationStatements } = loginIssuer({
      ...args.server,
      name: args.database.name,
    });
    const connection = new vault.database.SecretBackendConnection(
      `${name}-database`,
      {
        backend: mount,
        name,
        allowedRoles: [name],
        // It has no password yet.
        verifyConnection: false,
        // Vault's server has a store of its own, and no file of ours.
        postgresql: { connectionUrl, username, tlsCa: args.server.authority?.pem },
      },
      { ...inVault, dependsOn: issuer.rights, ...adopted(made, `${mount}/config/${name}`) },
    );
    const environment = vaultEnvironment(args.vault);
    const rotated = new command.local.Command(
      `${name}-database-rotated`,
      {
        create: stepCommand("hand-over-login"),
        // Handed over once: the password that is in the state is good for nothing afterwards.
        update: "true",
        environment: { ...environment, AUDIT_DATABASE: mount, AUDIT_LOGIN: name },
        stdin: issuer.password,
        triggers: [connection.id],
        logging: command.types.enums.local.Logging.Stderr,
      },
      { parent: this, dependsOn: [connection] },
    );
    const role = new vault.database.SecretBackendRole(
      `${name}-database-role`,
      { backend: mount, name, dbName: name, creationStatements, revocationStatements, ...LOGIN_TTL },
      { ...inVault, dependsOn: [rotated], ...adopted(made, `${mount}/roles/${name}`) },
    );
    this.ready = new command.local.Command(
      `${name}-database-leases`,
      {
        create: "true",
        // Otherwise the logins outlive the one who made them, which PostgreSQL does not allow, and Vault could not drop them any more.
        delete: stepCommand("revoke-leases"),
        environment: { ...environment, AUDIT_LEASES: this.path },
        logging: command.types.enums.local.Logging.Stderr,
      },
      { parent: this, dependsOn: [role] },
    );
    this.registerOutputs({});
  }

  /** Vault's own login: it makes roles, and may make them members of the runtime group. */
  #issuer(name: string, { database, postgres }: DatabaseCredentialsArgs) {
    const inPostgres = { parent: this, provider: postgres };
    // The vault SDK does not mark it where it stands within another argument.
    const password = pulumi.secret(
      new random.RandomPassword(`${name}-vault-password`, { length: 32, special: false }, { parent: this }).result,
    );
    const role = new postgresql.Role(
      `${name}-vault`,
      {
        name: `${database.name}_vault`,
        login: true,
        createRole: true,
        // It gives the membership away and does not use it.
        inherit: false,
        password,
      },
      // The memberships are not this resource's: below is one, and since PostgreSQL 16 each login that is made is another.
      { ...inPostgres, dependsOn: [database.ready], ignoreChanges: ["roles"] },
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
      { ...inPostgres, dependsOn: [admin, database.ready] },
    );
    return { password, rights: [admin, connect] };
  }
}
