import * as postgresql from "@pulumi/postgresql";
import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";
import { DatabaseCredentials, type DatabaseServer, type LoginIssuer } from "./database-credentials";
import { argumentName } from "../../lib/argument-names";
import { heldUntil } from "../../lib/held";
import { UserError } from "../../lib/user-error";

export interface DatabaseArgs {
  server: DatabaseServer;
  /** Name of the database; its roles are `<name>_owner`, `<name>_runtime`, `<name>_app` and `<name>_app_alt`. */
  database: string;
  /** Provider for the server; it needs CREATEROLE and CREATEDB, not superuser. */
  provider: postgresql.Provider;
  /** Refuse to delete the database and its roles, also when the stack is destroyed; default true. */
  protect?: boolean;
  /**
   * Raise it by one to give the service the other login, with a new password; default 1. Odd versions log in as
   * `<name>_app`, even ones as `<name>_app_alt` (docs/decisions/0071).
   */
  passwordVersion?: number;
  /** Version of the last run; undefined at the first. */
  previousVersion?: number;
  /**
   * Vault that creates logins on request ({@link DatabaseCredentials}); this component's own logins are then locked.
   * Default: the service uses a login of this component.
   */
  loginsBy?: { name: string; vault: LoginIssuer };
  /**
   * Existing role that may also connect but has no other right here: it reads the catalogs that list roles and rights.
   * Default: none.
   */
  observer?: string;
}

/** How to connect, in the shape of the service's configuration file. */
export interface Connection {
  host: string;
  port: number;
  name: string;
  sslmode: string;
  /** PEM; absent when the service's image trusts the server already. */
  caCertificate?: string;
  /** Absent when others make the logins. */
  user?: string;
  password?: string;
}

/**
 * A separate database on an existing PostgreSQL server, with four roles: the owner, which runs migrations; a group,
 * which migrations grant the run-time rights to; and two logins, members of that group only. The service uses one of
 * them; {@link lockFormerLogin} locks the other. Nobody else may connect.
 *
 * @example
 * const database = new Database("audit", {
 *   server: { host: "db.example.com", port: 5432, sslMode: "verify-full" },
 *   database: "audit",
 *   provider,
 * });
 */
export class Database extends pulumi.ComponentResource {
  /** Connection of the service: it can do what migrations grant to {@link runtimeRole}. Secret. */
  readonly connection: pulumi.Output<Connection>;
  /** Connection of the owner, for migrations. Secret. */
  readonly ownerConnection: pulumi.Output<Connection>;
  /** Group role without login that migrations grant the run-time rights to. */
  readonly runtimeRole: pulumi.Output<string>;
  /** How Vault makes a login; undefined where the connection has one. */
  readonly credentials: DatabaseCredentials | undefined;
  readonly #version: number;
  readonly #unused: { name: string; args: postgresql.RoleArgs; opts: pulumi.CustomResourceOptions }[];

  constructor(name: string, args: DatabaseArgs, opts?: pulumi.ComponentResourceOptions) {
    super("audit:index:Database", name, {}, opts);
    const version = checkVersion(args.passwordVersion ?? 1, args.previousVersion);
    this.#version = version;
    const [current, former] = version % 2 === 1 ? (["app", "app-alt"] as const) : (["app-alt", "app"] as const);
    const loginName = (login: "app" | "app-alt") => `${args.database}_${login.replace("-", "_")}`;
    const inherited = { parent: this, provider: args.provider, protect: args.protect ?? true };

    const password = (role: string) =>
      new random.RandomPassword(`${name}-${role}-password`, { length: 32, special: false }, { parent: this }).result;
    const ownerPassword = password("owner");
    const owner = new postgresql.Role(
      `${name}-owner`,
      { name: `${args.database}_owner`, login: true, password: ownerPassword },
      inherited,
    );
    const runtime = new postgresql.Role(
      `${name}-runtime`,
      { name: `${args.database}_runtime`, login: false },
      inherited,
    );
    const used = args.loginsBy === undefined ? current : undefined;
    // Only the login in use has a password resource. So a login gets a new password each time it is used again.
    const app = used && { login: used, password: password(used) };
    const role =
      app &&
      new postgresql.Role(
        `${name}-${app.login}`,
        { name: loginName(app.login), login: true, password: app.password, roles: [runtime.name] },
        inherited,
      );
    this.#unused = [current, former]
      .filter((login) => login !== used)
      .map((login) => ({
        name: `${name}-${login}`,
        args: { name: loginName(login), login: false, roles: [runtime.name] },
        opts: inherited,
      }));

    const database = this.#createDatabase(name, args, { owner, runtime, opts: inherited });
    const { connect, lastGrant } = this.#createGrants(name, args, { database, runtime, opts: inherited });

    const connectionAs = (user?: postgresql.Role, secret?: pulumi.Output<string>) =>
      pulumi.secret(
        pulumi.all([user?.name, database.name, secret, connect.id]).apply(([login, db, value]) => ({
          host: args.server.host,
          port: args.server.port,
          name: db,
          user: login,
          password: value,
          sslmode: args.server.sslMode,
          ...(args.server.authority && { caCertificate: args.server.authority.pem }),
        })),
      );
    this.connection = connectionAs(role, app?.password);
    this.ownerConnection = connectionAs(owner, ownerPassword);
    this.runtimeRole = runtime.name;
    this.credentials =
      args.loginsBy &&
      new DatabaseCredentials(
        args.loginsBy.name,
        {
          database: { name: args.database, ready: lastGrant, runtimeRole: runtime.name },
          server: args.server,
          postgres: args.provider,
          vault: args.loginsBy.vault,
        },
        // Earlier versions had it as a sibling of this component.
        { parent: this, aliases: [{ parent: pulumi.rootStackResource }] },
      );
    this.registerOutputs({
      connection: this.connection,
      ownerConnection: this.ownerConnection,
      runtimeRole: this.runtimeRole,
    });
  }

  #createDatabase(
    name: string,
    args: DatabaseArgs,
    { owner, runtime, opts }: { owner: postgresql.Role; runtime: postgresql.Role; opts: pulumi.CustomResourceOptions },
  ): postgresql.Database {
    return new postgresql.Database(
      `${name}-database`,
      {
        name: args.database,
        owner: owner.name,
        encoding: "UTF8",
        template: "template0",
        lcCollate: "C.UTF-8",
        lcCtype: "C.UTF-8",
      },
      // The group's rights must be removed before the group: PostgreSQL does not drop a role that has rights.
      { ...opts, dependsOn: [runtime] },
    );
  }

  /** @returns the group's grant, and the grant that is made last */
  #createGrants(
    name: string,
    { observer }: DatabaseArgs,
    {
      database,
      runtime,
      opts,
    }: { database: postgresql.Database; runtime: postgresql.Role; opts: pulumi.CustomResourceOptions },
  ): { connect: postgresql.Grant; lastGrant: postgresql.Grant } {
    // PostgreSQL lets everybody connect to a new database; an empty list of rights revokes that. Grants are chained
    // because concurrent ones on the same object fail ("tuple concurrently updated").
    const nobodyElse = new postgresql.Grant(
      `${name}-public`,
      { database: database.name, objectType: "database", role: "public", privileges: [] },
      opts,
    );
    const connect = new postgresql.Grant(
      `${name}-connect`,
      { database: database.name, objectType: "database", role: runtime.name, privileges: ["CONNECT"] },
      { ...opts, dependsOn: [nobodyElse] },
    );
    const lastGrant =
      observer === undefined
        ? connect
        : new postgresql.Grant(
            `${name}-observer`,
            { database: database.name, objectType: "database", role: observer, privileges: ["CONNECT"] },
            { ...opts, dependsOn: [connect] },
          );
    return { connect, lastGrant };
  }

  /**
   * Locks the login that the service used before, once everything in `dependsOn` is done. Until then both logins work.
   *
   * @returns version of the only login that works then
   */
  lockFormerLogin(dependsOn: readonly pulumi.Resource[]): pulumi.Output<number> {
    const locked = this.#unused.map(
      ({ name, args, opts }) => new postgresql.Role(name, args, { ...opts, dependsOn: [...dependsOn] }),
    );
    return heldUntil(locked, this.#version);
  }
}

/**
 * Only one step at a time: two steps lead back to the same login, and its password would change under the running
 * service.
 */
function checkVersion(version: number, previous: number | undefined): number {
  if (previous !== undefined && version !== previous && version !== previous + 1) {
    throw new UserError(
      `${argumentName("Database: passwordVersion")} is ${version}, and the last deploy had ${previous}: set it to ${previous + 1} to rotate the password, or leave it at ${previous}. Nothing was changed.`,
    );
  }
  return version;
}
