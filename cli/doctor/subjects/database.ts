import { NAMESPACE } from "../../../config/errors";
import { rolesOf } from "../../../config/names";
import { failure, ok, skipped, warning, type Finding, type Subject } from "../check";
import { roleInSql } from "../../database/role";
import { isOfUser } from "../../errors";
import type { Access } from "../access";

/** The first version in which CREATEROLE covers only what its holder has made. */
const NARROW = 160_000;
const OLDEST = 130_000;

const LOGINS: readonly (readonly [RegExp, string])[] = [
  [
    /password authentication failed|no password|SASL/i,
    "PGPASSWORD must be the password of that role: ALTER ROLE … PASSWORD '…' by the administrator sets it",
  ],
  [
    /role .* does not exist/i,
    "have the administrator create it: CREATE ROLE … LOGIN CREATEROLE CREATEDB PASSWORD '…' (docs/guide.md, step 3)",
  ],
  [
    /no pg_hba\.conf entry/i,
    "pg_hba.conf must let this machine in: a line hostssl postgres <role> <address> scram-sha-256",
  ],
  [/does not support SSL|PostgreSQL has no TLS/i, `give the server TLS, or see ${NAMESPACE}:databaseSslMode`],
  [
    /ECONNREFUSED|timeout|ETIMEDOUT|EHOSTUNREACH/i,
    `is ${NAMESPACE}:databaseAdminHost or ${NAMESPACE}:databaseHost right, and the way there open?`,
  ],
  [/ENOTFOUND|EAI_AGAIN/i, `DNS does not know the name in ${NAMESPACE}:databaseAdminHost or ${NAMESPACE}:databaseHost`],
  [
    /certificate|self-signed|altnames/i,
    `name the authority that signed it in ${NAMESPACE}:caFile; it must be for the name in the setting`,
  ],
];

async function login({ sql, values }: Access): Promise<Finding> {
  const user = values.databaseAdminUser;
  try {
    await sql("SELECT 1 AS one");
    return ok(`${user} logs in`);
  } catch (error) {
    // A login that is not there at all says its cure itself.
    if (isOfUser(error)) throw error;
    const said = (error as Error).message;
    const [, cure = "see the server's log"] = LOGINS.find(([pattern]) => pattern.test(said)) ?? [];
    return failure(`${user} cannot log in: ${said}`, cure);
  }
}

const number = async ({ sql }: Access): Promise<number> => {
  const [row] = await sql("SELECT current_setting('server_version_num')::int AS version");
  return Number(row?.version);
};

async function version(access: Access): Promise<Finding> {
  const found = await number(access);
  const text = `PostgreSQL ${Math.floor(found / 10_000)}`;
  if (found < OLDEST) return failure(`${text} gets no repairs any more`, "upgrade to 16 or newer");
  if (found >= NARROW) return ok(text);
  return warning(
    `in ${text}, CREATEROLE covers every role that is not a superuser: whoever has this login can change other programs' passwords`,
    "upgrade it to 16 or newer, or give this service a server of its own (docs/security.md)",
  );
}

/** Each right that is missing, with the SQL that gives it; also where the administrator is no superuser. */
async function rights({ sql, values }: Access): Promise<Finding> {
  const user = values.databaseAdminUser;
  const [row = {}] = await sql(
    "SELECT rolsuper, rolcreaterole, rolcreatedb, current_setting('createrole_self_grant', true) AS self_grant, current_setting('server_version_num')::int AS version FROM pg_roles WHERE rolname = current_user",
  );
  const grants = typeof row.self_grant === "string" ? row.self_grant : "";
  const missing = [
    ...(row.rolcreaterole || row.rolsuper ? [] : [`ALTER ROLE ${roleInSql(user)} CREATEROLE;`]),
    ...(row.rolcreatedb || row.rolsuper ? [] : [`ALTER ROLE ${roleInSql(user)} CREATEDB;`]),
    ...(Number(row.version) < NARROW || row.rolsuper || (grants.includes("set") && grants.includes("inherit"))
      ? []
      : [`ALTER ROLE ${roleInSql(user)} SET createrole_self_grant = 'set, inherit';`]),
  ];
  if (missing.length > 0)
    return failure(
      `${user} lacks rights to make the service's database and roles`,
      `as the administrator: ${missing.join(" ")}`,
    );
  return row.rolsuper
    ? warning(
        `${user} is a superuser`,
        `ALTER ROLE ${roleInSql(user)} NOSUPERUSER CREATEROLE CREATEDB; it needs no more`,
      )
    : ok(`${user} may create roles and databases, and is no superuser`);
}

/** Whether the stack has never tried to deploy; false also where nobody can tell. */
async function isNew({ pulumi }: Access): Promise<boolean> {
  const { code, stdout, all } = await pulumi(["stack", "history", "--json", "--page-size", "1"]);
  return code === 0 ? /^\s*(\[\s*\])?\s*$/.test(stdout) : all.includes("no stack named");
}

async function names(access: Access): Promise<Finding> {
  const { sql, values } = access;
  const user = values.databaseAdminUser;
  const [row] = await sql(
    "SELECT pg_get_userbyid(datdba) AS owner, pg_has_role(current_user, datdba, 'USAGE') AS own FROM pg_database WHERE datname = $1",
    [values.databaseName],
  );
  if (row !== undefined) {
    const owner = `${values.databaseName}_owner`;
    if (row.owner === owner && row.own && (await isNew(access)))
      return warning(
        `the database ${values.databaseName} is there, and this stack has never deployed: is it another stack's?`,
        `set another name in ${NAMESPACE}:databaseName, unless it is handed over to this stack (docs/cluster.md, step 7)`,
      );
    if (row.owner === owner && row.own)
      return ok(`the database ${values.databaseName} is there, and ${user} administers it`);
    return row.owner === owner
      ? failure(
          `the database ${values.databaseName} belongs to ${owner}, which ${user} may not administer`,
          `GRANT ${owner} TO ${roleInSql(user)} WITH ADMIN OPTION;`,
        )
      : failure(
          `the database ${values.databaseName} belongs to ${String(row.owner)}`,
          `set another name in ${NAMESPACE}:databaseName`,
        );
  }
  const taken = await sql("SELECT rolname FROM pg_roles WHERE rolname = ANY ($1)", [rolesOf(values.databaseName)]);
  if (taken.length === 0) return ok(`the database ${values.databaseName} and its roles are yet to be made`);
  return failure(
    `there are roles ${taken.map(({ rolname }) => String(rolname)).join(", ")}, and no database ${values.databaseName}`,
    `drop them, or set another name in ${NAMESPACE}:databaseName`,
  );
}

async function drift({ sql, values }: Access): Promise<Finding> {
  const user = values.databaseDriftUser;
  if (user === undefined) return skipped(`${NAMESPACE}:databaseDriftUser is not set: there is no job drift`);
  const [row] = await sql(
    "SELECT rolcanlogin, rolsuper OR rolcreaterole OR rolcreatedb AS strong FROM pg_roles WHERE rolname = $1",
    [user],
  );
  if (row === undefined)
    return failure(
      `there is no role ${user}`,
      `as the administrator: CREATE ROLE ${roleInSql(user)} LOGIN PASSWORD '…';`,
    );
  if (!row.rolcanlogin)
    return failure(`${user} may not log in`, `as the administrator: ALTER ROLE ${roleInSql(user)} LOGIN;`);
  if (row.strong)
    return failure(
      `${user} may change things, and the job drift refuses it`,
      `as the administrator: ALTER ROLE ${roleInSql(user)} NOSUPERUSER NOCREATEROLE NOCREATEDB;`,
    );
  return ok(`${user} is there, and has no rights of its own`);
}

/** Connections that a replica holds at the most, with the defaults of audit-svc/CONTRACT.md: 2 writers and one more, 4 readers. */
const PER_REPLICA = 7;

async function connections({ sql, values }: Access): Promise<Finding> {
  const [row = {}] = await sql(
    "SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int AS most, (SELECT count(*)::int FROM pg_stat_activity WHERE backend_type = 'client backend') AS used",
  );
  const [most, used, need] = [Number(row.most), Number(row.used), 2 * values.replicas * PER_REPLICA];
  const text = `${used} of ${most} connections are in use, a deploy needs up to ${need}`;
  return most - used < need
    ? warning(text, "raise max_connections, or put a pooler in front (docs/reference.md, PostgreSQL)")
    : ok(text);
}

async function writable({ sql }: Access): Promise<Finding> {
  const [row = {}] = await sql(
    "SELECT pg_is_in_recovery() AS standby, current_setting('default_transaction_read_only') AS locked",
  );
  if (row.standby) return failure("this server is a standby", `${NAMESPACE}:databaseHost must lead to the primary`);
  if (row.locked === "on")
    return failure(
      "the server takes no writes (default_transaction_read_only)",
      "is its disk full? ask its administrator",
    );
  return ok("it is the primary, and takes writes");
}

export const database: Subject = {
  name: "PostgreSQL",
  checks: [
    { id: "database-login", title: "the deployer's login", run: login },
    { id: "database-version", title: "version", needs: "database-login", run: version },
    { id: "database-rights", title: "the deployer's rights", needs: "database-login", run: rights },
    { id: "database-names", title: "database and roles", needs: "database-login", run: names },
    { id: "database-drift", title: "the role of the job drift", needs: "database-login", run: drift },
    { id: "database-writable", title: "primary", needs: "database-login", run: writable },
    { id: "database-connections", title: "connections", needs: "database-login", run: connections },
  ],
};
