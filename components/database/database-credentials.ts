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
  /** Authority that signed its certificate, for `verify-full`; default: those that the service's image trusts. */
  authority?: CertificateAuthority;
}

/** Vault that makes logins. */
export type LoginIssuer = VaultAccess & {
  /** Mount of the database secrets engine, which must exist; default "database". */
  mount?: string;
};

export interface DatabaseCredentialsArgs {
  /** The database, the resource that must exist before anybody may connect to it, and the role whose members may. */
  database: { name: string; ready: pulumi.CustomResource; runtimeRole: pulumi.Input<string> };
  /** PostgreSQL as Vault reaches it. */
  server: DatabaseServer;
  /** Provider for PostgreSQL; it needs CREATEROLE. */
  postgres: postgresql.Provider;
  vault: LoginIssuer;
}

/**
 * Database logins that Vault creates on request, each with its own expiry. Vault's database secrets engine has a login
 * to PostgreSQL that may grant one membership and nothing else. Nobody knows its password: Vault receives it once and
 * changes it immediately (docs/decisions/0074).
 */
export class DatabaseCredentials extends pulumi.ComponentResource {
  /** Path in Vault that returns a login. */
  readonly path: string;
  /** Done once Vault can create logins. Whatever uses a login must be deleted before this resource. */
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
        // Vault's server has a trust store of its own and none of our files.
        postgresql: { connectionUrl, username, tlsCa: args.server.authority?.pem },
      },
      { ...inVault, dependsOn: issuer.rights, ...adopted(made, `${mount}/config/${name}`) },
    );
    const environment = vaultEnvironment(args.vault);
    const rotated = new command.local.Command(
      `${name}-database-rotated`,
      {
        create: stepCommand("hand-over-login"),
        // Rotated once: afterwards the password in the state is useless.
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
        // Without this the logins would outlive the role that granted their membership. PostgreSQL does not allow that,
        // and Vault could no longer drop them.
        delete: stepCommand("revoke-leases"),
        environment: { ...environment, AUDIT_LEASES: this.path },
        logging: command.types.enums.local.Logging.Stderr,
      },
      { parent: this, dependsOn: [role] },
    );
    this.registerOutputs({});
  }

  /** Vault's own login: it creates roles and may make them members of the runtime group. */
  #issuer(name: string, { database, postgres }: DatabaseCredentialsArgs) {
    const inPostgres = { parent: this, provider: postgres };
    // The vault SDK does not mark it as secret inside another argument.
    const password = pulumi.secret(
      new random.RandomPassword(`${name}-vault-password`, { length: 32, special: false }, { parent: this }).result,
    );
    const role = new postgresql.Role(
      `${name}-vault`,
      {
        name: `${database.name}_vault`,
        login: true,
        createRole: true,
        // It grants the membership and does not use it.
        inherit: false,
        password,
      },
      // This resource does not manage the memberships: one is granted below, and since PostgreSQL 16 each new login
      // adds another.
      { ...inPostgres, dependsOn: [database.ready], ignoreChanges: ["roles"] },
    );
    // Since PostgreSQL 16 only a role with ADMIN on a role may add members to it; CREATEROLE alone covers only roles
    // that it created.
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
