import { z } from "zod";
import { hint, host, optional, wholeNumber } from "./values";

/** PostgreSQL, the database and its roles. */
export const database = {
  databaseHost: host,
  databasePort: wholeNumber(1, 65535).default(5432),
  databaseName: z
    .string()
    .regex(/^[a-z][a-z0-9_]{0,40}$/, hint("must be 1 to 41 small letters, digits or underscores, a letter first"))
    .default("audit"),
  databaseSslMode: z
    .enum(["disable", "require", "verify-full"], hint("must be disable, require or verify-full"))
    .default("require"),
  databaseAdminHost: optional(host),
  databaseAdminPort: wholeNumber(0, 65535).default(0),
  databaseLimit: wholeNumber(0, 1_000_000).default(0),
  databaseCredentials: z.enum(["static", "dynamic"], hint("must be static or dynamic")).default("static"),
  databasePasswordVersion: wholeNumber(1, 1_000_000).default(1),
  databaseAdminUser: z.string().min(1).default("deployer"),
  protectData: z
    .enum(["true", "false"], hint("must be true or false"))
    .transform((text) => text === "true")
    .default(true),
};
