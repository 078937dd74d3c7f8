import { z } from "zod";
import { isKeptByVault, KEPT_BY_VAULT } from "../lib/vault/paths";
import { hint } from "./values";

/**
 * Names of things in PostgreSQL and Vault. Reserved names are rejected here, not by the server in the middle of a
 * deploy.
 */

/** Databases that exist on every server or belong to a pooler or a cloud provider's tools. */
const DATABASES = [
  ...["postgres", "template0", "template1", "pgbouncer"],
  ...["rdsadmin", "cloudsqladmin", "azure_maintenance", "azure_sys"],
];

/** Name of the database; `<name>_owner` and others are its roles, and no role may begin with `pg_`. */
export const databaseName = z
  .string()
  .regex(/^[a-z][a-z0-9_]{0,40}$/, hint("must be 1 to 41 small letters, digits or underscores, a letter first"))
  .refine(
    (name) => !DATABASES.includes(name),
    hint(`must not be one of ${DATABASES.join(", ")}: they belong to the server`),
  )
  .refine(
    (name) => !`${name}_`.startsWith("pg_"),
    hint("must not begin with pg_, nor be pg: its roles would begin with pg_, which PostgreSQL keeps for itself"),
  )
  .meta({ allowed: "1 to 41 small letters, digits or underscores, a letter first" });

/** Names of the roles that the program creates for a database: those of Database and DatabaseCredentials. */
export const rolesOf = (database: string): string[] =>
  ["owner", "runtime", "app", "app_alt", "vault"].map((role) => `${database}_${role}`);

/** An existing role. PostgreSQL truncates names to 63 bytes. */
export const roleName = z
  .string()
  .regex(/^[^\p{Cc}]+$/u, hint("must be the name of a role"))
  .refine((name) => Buffer.byteLength(name) <= 63, hint("must have at most 63 bytes"))
  .refine((name) => !name.startsWith("pg_"), hint("must not begin with pg_: such roles cannot log in"));

const segments = (pattern: string) => new RegExp(`^${pattern}(/${pattern})*$`);

/** Path of a secrets engine in Vault. */
export const vaultMount = (what: string) =>
  z
    .string()
    .regex(
      segments("[a-z0-9](?:[a-z0-9_-]*[a-z0-9])?"),
      hint(`must be the path of ${what}, without slashes at its ends`),
    )
    .refine(
      (path) => !isKeptByVault(path),
      hint(`must not begin with ${KEPT_BY_VAULT.join(", ")}: there Vault itself answers`),
    );

/** Path of a secret within its engine. */
export const vaultPath = z
  .string()
  .regex(
    segments("[A-Za-z0-9](?:[A-Za-z0-9_-]*[A-Za-z0-9])?"),
    hint("must be a path without slashes at its ends, for example audit-svc/vm2"),
  );

/** Name of a role of Vault's PKI. */
export const pkiRole = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/, hint("must be the name of a role of Vault's PKI"));

/** Name of a namespace of Kubernetes. */
export const NAMESPACE_NAME = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

/** Names of labels and annotations by which the program or the engine knows what is theirs. */
export const isReserved = (name: string): boolean =>
  /^(audit|pulumi\.com)\//.test(name) || /^app\.kubernetes\.io\/(name|part-of)$/.test(name);
export const RESERVED =
  "must not have names that begin with audit/ or pulumi.com/, nor app.kubernetes.io/name or app.kubernetes.io/part-of: they are the program's own";
