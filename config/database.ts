import { z } from "zod";
import { host } from "./addresses";
import { NAMESPACE } from "./errors";
import { databaseName, roleName, rolesOf } from "./names";
import { hint, optional, trueOrFalse, wholeNumber, type GroupOf } from "./values";

/** PostgreSQL, the database and its roles. */
export const database = {
  databaseHost: host,
  databasePort: wholeNumber(1, 65535).default(5432),
  databaseName: databaseName.default("audit"),
  databaseSslMode: z
    .enum(["disable", "require", "verify-full"], hint("must be disable, require or verify-full"))
    .default("verify-full"),
  databaseAdminHost: optional(host),
  databaseAdminPort: wholeNumber(0, 65535).default(0),
  databaseLimit: wholeNumber(0, 1_000_000).default(0),
  databaseCredentials: z.enum(["static", "dynamic"], hint("must be static or dynamic")).default("static"),
  databasePasswordVersion: wholeNumber(1, 1_000_000).default(1),
  databaseAdminUser: roleName.default("deployer"),
  databaseDriftUser: optional(roleName),
  protectData: trueOrFalse.default(true),
};

/** What of these settings does not go together, one sentence each. */
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
