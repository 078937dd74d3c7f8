import assert from "node:assert/strict";
import { problems } from "../support/settings";

describe("names in the configuration", () => {
  const refused: [Record<string, string>, RegExp][] = [
    ...["postgres", "template0", "template1", "pgbouncer", "rdsadmin"].map((name): [Record<string, string>, RegExp] => [
      { "audit:databaseName": name },
      /^audit:databaseName must not be one of postgres, .*they belong to the server$/,
    ]),
    ...["pg_audit", "pg"].map((name): [Record<string, string>, RegExp] => [
      { "audit:databaseName": name },
      /^audit:databaseName must not begin with pg_, nor be pg/,
    ]),
    [{ "audit:databaseName": "a".repeat(42) }, /^audit:databaseName must be 1 to 41/],
    [{ "audit:databaseAdminUser": "pg_admin" }, /^audit:databaseAdminUser must not begin with pg_/],
    [{ "audit:databaseAdminUser": "a".repeat(64) }, /^audit:databaseAdminUser must have at most 63 bytes/],
    [
      { "audit:databaseAdminUser": "audit_owner" },
      /^audit:databaseAdminUser must not be a role that the program makes/,
    ],
    [{ "audit:databaseDriftUser": "audit_app" }, /^audit:databaseDriftUser must not be a role that the program makes/],
    [{ "audit:databaseDriftUser": "pg_read_all_data" }, /^audit:databaseDriftUser must not begin with pg_/],
    [{ "audit:databaseAdminUser": "de\nployer" }, /^audit:databaseAdminUser must be the name of a role/],
    ...["sys", "auth", "identity", "cubbyhole", "sys/x", "auth/approle"].map(
      (name): [Record<string, string>, RegExp] => [
        { "audit:vaultMount": name },
        /^audit:vaultMount must not begin with sys, auth, identity, cubbyhole: there Vault itself answers$/,
      ],
    ),
    [{ "audit:tlsPkiMount": "identity" }, /^audit:tlsPkiMount must not begin with sys/],
    [{ "audit:tlsPkiMount": 'pki" {}' }, /^audit:tlsPkiMount must be the path of Vault's PKI/],
    [{ "audit:vaultMount": "team//secret" }, /^audit:vaultMount must be the path of a KV version 2 mount/],
    [{ "audit:vaultPath": "audit//vm2" }, /^audit:vaultPath must be a path/],
    [{ "audit:tlsPkiRole": "edge/../x" }, /^audit:tlsPkiRole must be the name of a role/],
    [
      { "audit:tls": "vault", "audit:tlsPkiRole": "edge", "audit:vaultMount": "pki" },
      /^audit:vaultMount must differ from audit:tlsPkiMount \(pki\)$/,
    ],
    [
      { "audit:log": "vault", "audit:vaultMount": "transit" },
      /^audit:vaultMount must differ from audit:logTransitMount \(transit\)$/,
    ],
    [
      { "audit:databaseCredentials": "dynamic", "audit:vaultMount": "database" },
      /^audit:vaultMount must differ from the database engine/,
    ],
    [
      { "audit:log": "vault", "audit:tls": "vault", "audit:tlsPkiRole": "edge", "audit:tlsPkiMount": "transit" },
      /^audit:logTransitMount must differ from audit:tlsPkiMount \(transit\)$/,
    ],
    [
      {
        "audit:environment": "e".repeat(24),
        "audit:grafanaDataSource": "",
        "audit:grafanaPrometheusUrl": "http://prometheus:9090",
      },
      /^audit:environment must have at most 23 letters with audit:grafanaPrometheusUrl$/,
    ],
    [{ "audit:environment": "e".repeat(29) }, /^audit:environment must have at most 28 letters$/],
  ];
  for (const [change, message] of refused) {
    it(`refuses ${JSON.stringify(change)}`, () => {
      const [first = "", ...more] = problems(change);
      assert.match(first, message);
      assert.deepEqual(more, []);
    });
  }

  const taken: Record<string, string>[] = [
    { "audit:databaseName": "pgaudit" },
    { "audit:databaseName": "a".repeat(41) },
    { "audit:databaseName": "audit_pg" },
    { "audit:databaseAdminUser": "postgres" },
    { "audit:databaseAdminUser": "app-admin@team" },
    { "audit:vaultMount": "team/sys" },
    { "audit:vaultMount": "system" },
    { "audit:vaultPath": "Team_1/audit-svc/vm2" },
  ];
  for (const change of taken) it(`takes ${JSON.stringify(change)}`, () => assert.deepEqual(problems(change), []));
});
