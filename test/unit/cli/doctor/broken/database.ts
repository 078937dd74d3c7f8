import { set, unanswered, type Broken } from "./broken";
import type { Answers } from "../world";

export const database: Record<string, readonly Broken[]> = {
  "database-login": [
    {
      what: "the password is wrong",
      change: unanswered('password authentication failed for user "deployer"'),
      found: /cannot log in/,
      cure: /PGPASSWORD/,
    },
    {
      what: "pg_hba.conf refuses",
      change: unanswered("no pg_hba.conf entry for host"),
      found: /pg_hba/,
      cure: /hostssl/,
    },
    {
      what: "it is not reached",
      change: unanswered("connect ECONNREFUSED 10.0.0.9:5432"),
      found: /ECONNREFUSED/,
      cure: /audit:databaseHost/,
    },
    {
      what: "the name is unknown",
      change: unanswered("getaddrinfo ENOTFOUND db.example.test"),
      found: /ENOTFOUND/,
      cure: /DNS/,
    },
  ],
  "database-version": [
    {
      what: "it is ancient",
      change: set("sql", { "AS version": [{ version: 120000 }] }),
      found: /PostgreSQL 12/,
      cure: /upgrade/,
    },
    {
      what: "CREATEROLE is broad",
      change: set("sql", { "AS version": [{ version: 150004 }] }),
      level: "warning",
      found: /PostgreSQL 15.*every role/,
      cure: /server of its own/,
    },
  ],
  "database-rights": [
    {
      what: "all are missing",
      change: set("sql", {
        createrole_self_grant: [
          { rolsuper: false, rolcreaterole: false, rolcreatedb: false, self_grant: "", version: 170000 },
        ],
      }),
      found: /lacks rights/,
      cure: /ALTER ROLE deployer CREATEROLE; ALTER ROLE deployer CREATEDB; ALTER ROLE deployer SET createrole_self_grant = 'set, inherit';/,
    },
    {
      what: "all are missing, and its name needs quotes",
      settings: { "audit:databaseAdminUser": 'Audit-"Deploy"' },
      change: set("sql", {
        createrole_self_grant: [
          { rolsuper: false, rolcreaterole: false, rolcreatedb: true, self_grant: "set, inherit", version: 170000 },
        ],
      }),
      found: /^Audit-"Deploy" lacks rights/,
      cure: /ALTER ROLE "Audit-""Deploy""" CREATEROLE;$/,
    },
    {
      what: "it is a superuser",
      change: set("sql", { createrole_self_grant: [{ rolsuper: true, version: 170000 }] }),
      level: "warning",
      found: /superuser/,
      cure: /NOSUPERUSER/,
    },
  ],
  "database-names": [
    {
      what: "somebody else has the database",
      change: set("sql", { datdba: [{ owner: "erp", own: false }] }),
      found: /belongs to erp/,
      cure: /audit:databaseName/,
    },
    {
      what: "another login made it",
      change: set("sql", { datdba: [{ owner: "audit_owner", own: false }] }),
      found: /may not administer/,
      cure: /GRANT audit_owner TO deployer WITH ADMIN OPTION/,
    },
    ...(
      [
        ["has no deploys", { code: 0, stdout: "[]\n", all: "" }],
        ["is yet to be made", { code: 255, stdout: "", all: "error: no stack named 'vm2' found" }],
      ] as const
    ).map(([what, history]) => ({
      what: `it is there, and the stack ${what}`,
      change: (answers: Answers) => {
        set("sql", { datdba: [{ owner: "audit_owner", own: true }] })(answers);
        set("pulumi", { "stack history": history })(answers);
      },
      level: "warning" as const,
      found: /audit is there, and this stack has never deployed/,
      cure: /set another name in audit:databaseName, unless/,
    })),
    ...(['[{"result":"failed"}]', undefined] as const).map((stdout) => ({
      what: stdout === undefined ? "it is there, and nobody knows of deploys" : "it is there after a deploy",
      change: (answers: Answers) => {
        set("sql", { datdba: [{ owner: "audit_owner", own: true }] })(answers);
        set("pulumi", { "stack history": { code: stdout === undefined ? 1 : 0, stdout: stdout ?? "", all: "?" } })(answers); // prettier-ignore
      },
      level: "ok" as const,
      found: /is there, and deployer administers it/,
      cure: /^$/,
    })),
    {
      what: "its roles are taken",
      change: set("sql", { "ANY (": [{ rolname: "audit_app" }] }),
      found: /roles audit_app/,
      cure: /drop them/,
    },
  ],
  "database-drift": [
    {
      what: "there is none",
      change: set("sql", { "AS strong": [] }),
      found: /no role drift/,
      cure: /CREATE ROLE drift LOGIN/,
    },
    {
      what: "there is none, and its name needs quotes",
      settings: { "audit:databaseDriftUser": "сверка" },
      change: set("sql", { "AS strong": [] }),
      found: /no role сверка/,
      cure: /CREATE ROLE "сверка" LOGIN/,
    },
    {
      what: "it may not log in",
      change: set("sql", { "AS strong": [{ rolcanlogin: false, strong: false }] }),
      found: /may not log in/,
      cure: /ALTER ROLE drift LOGIN/,
    },
    {
      what: "it may change things",
      change: set("sql", { "AS strong": [{ rolcanlogin: true, strong: true }] }),
      found: /may change things/,
      cure: /NOCREATEROLE/,
    },
  ],
  "database-writable": [
    {
      what: "it is a standby",
      change: set("sql", { pg_is_in_recovery: [{ standby: true }] }),
      found: /standby/,
      cure: /primary/,
    },
    {
      what: "it takes no writes",
      change: set("sql", { pg_is_in_recovery: [{ standby: false, locked: "on" }] }),
      found: /no writes/,
      cure: /disk/,
    },
  ],
  "database-connections": [
    {
      what: "few are left",
      change: set("sql", { max_connections: [{ most: 97, used: 90 }] }),
      level: "warning",
      found: /90 of 97.*28/,
      cure: /max_connections/,
    },
  ],
};
