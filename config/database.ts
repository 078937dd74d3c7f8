import { host } from "./addresses";
import { alternatives } from "./alternatives";
import { NAMESPACE } from "./errors";
import { databaseName, roleName, rolesOf } from "./names";
import { oneOf, optional, trueOrFalse, wholeNumber, type GroupOf } from "./values";

/** PostgreSQL, the database and its roles. */
export const database = {
  databaseHost: host.describe("PostgreSQL as the VM reaches it, a name or an address, of IPv6 without brackets."),
  databasePort: wholeNumber(1, 65535).default(5432).describe("Port of PostgreSQL as the VM reaches it."),
  databaseName: databaseName
    .default("audit")
    .describe(
      "Database of the service; also the prefix of its roles. Not one that a server has anyway, such as postgres, and not beginning with pg_.",
    ),
  databaseSslMode: oneOf("disable", "require", "verify-full")
    .default("verify-full")
    .describe(
      "One of disable, require, verify-full. Verify-full checks the server's certificate and its name. Require encrypts and gives the passwords to whoever answers first, because it checks neither.",
    ),
  databaseAdminHost: optional(host).describe(
    "PostgreSQL as this program reaches it, when that differs from databaseHost.",
  ),
  databaseAdminPort: wholeNumber(0, 65535)
    .default(0)
    .describe("Port of PostgreSQL as this program reaches it; 0 = databasePort."),
  databaseAdminUser: roleName
    .default("deployer")
    .describe("Role with CREATEROLE and CREATEDB that creates the database; its password comes from PGPASSWORD."),
  databaseDriftUser: optional(roleName).describe(
    "Role without any rights, as which the job drift compares the database's roles and rights. It must exist; the program lets it connect to the database. Empty = the job cannot run.",
  ),
  databaseLimit: wholeNumber(0, 1_000_000)
    .default(0)
    .describe(
      "GiB that the database may take up on its disk; an alert comes four days ahead. 0 = not known, no alert.",
    ),
  databaseCredentials: oneOf("static", "dynamic")
    .default("static")
    .describe(
      "Who makes the service's login to the database. static = this program, rotated by databasePasswordVersion; dynamic = Vault, each login with an end of its own.",
    ),
  databasePasswordVersion: wholeNumber(1, 1_000_000)
    .default(1)
    .describe("Raised by one, the service gets a new login and password for the database without losing a request."),
  protectData: trueOrFalse
    .default(true)
    .describe("Refuse to delete the database and its roles, also by `pulumi destroy`."),
};

/** Who makes the service's login. */
export const credentials = alternatives(database, "databaseCredentials", "by", {
  static: { passwordVersion: "databasePasswordVersion" },
  dynamic: {},
});

/** Contradictions between these settings, one sentence each. */
export function databaseContradictions(settings: GroupOf<typeof database>): string[] {
  const own = rolesOf(settings.databaseName);
  const { databaseAdminUser, databaseDriftUser } = settings;
  return [
    ...(own.includes(databaseAdminUser)
      ? [
          `${NAMESPACE}:databaseAdminUser must not be a role that the program makes for ${NAMESPACE}:databaseName; create another with CREATEROLE and CREATEDB`,
        ]
      : []),
    ...(databaseDriftUser !== undefined && own.includes(databaseDriftUser)
      ? [
          `${NAMESPACE}:databaseDriftUser must not be a role that the program makes for ${NAMESPACE}:databaseName; create another without any right`,
        ]
      : []),
  ];
}
