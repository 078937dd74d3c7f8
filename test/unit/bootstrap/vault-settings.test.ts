import assert from "node:assert/strict";
import { parseVaultSettings, stackInVault } from "../../../bootstrap/settings";
import { parseSettings } from "../../../config";
import { good, problems } from "../support/settings";
import { settings } from "./support/vault-settings";

describe("the settings of Vault's set-up", () => {
  it("names every mistake in the settings", () => {
    assert.throws(
      () =>
        parseVaultSettings(
          { gitlab: { url: "gitlab", project: "audit" }, audience: "https://v:1", mounts: 1 },
          "s.json",
        ),
      {
        message:
          "s.json cannot be used; nothing was changed.\n" +
          "  - gitlab.url: must be http:// or https://, without a login, and without a slash at its end\n" +
          "  - gitlab.project: must be the project's whole path, for example team/audit\n" +
          "  - mounts: there is no such setting; docs/reference.md lists them",
      },
    );
  });

  const refused: [object, string][] = [
    [{ kvMount: "sys" }, "kvMount: must not begin with sys, auth, identity, cubbyhole: there Vault itself answers"],
    [{ transitMount: "identity/keys" }, "transitMount: must not begin with sys, auth, identity, cubbyhole: there Vault itself answers"],
    [{ transitMount: "secret" }, "transitMount: must differ from kvMount (secret)"],
    [{ signing: { mount: "secret" } }, "signing.mount: must differ from kvMount (secret)"],
    [{ signing: { key: "pulumi" } }, "signing.key: must differ from transitKey (pulumi), which encrypts and cannot sign"],
    [{ jwtMount: "approle" }, "jwtMount: must differ from AppRole (approle)"],
    [{ kvMount: "database" }, "kvMount: must differ from the database engine (database)"],
    [{ stack: { tls: "vault", tlsPkiRole: "edge", tlsPkiMount: "secret" } }, "stack.tlsPkiMount: must differ from kvMount (secret)"],
    [{ stack: { log: "vault", logTransitMount: "secret" } }, "stack.logTransitMount: must differ from kvMount (secret)"],
    [{ appRoleMount: "roles", databaseMount: "db" }, "appRoleMount, databaseMount: there is no such setting; docs/reference.md lists them"],
    [{ kvMount: "team//secret" }, "kvMount: must be the path of a KV version 2 mount, without slashes at its ends"],
    [{ audience: "https://robot:word@vault.example.test" }, "audience: must be http:// or https://, without a login, and without a slash at its end"],
  ]; // prettier-ignore
  for (const [change, message] of refused) {
    it(`refuses ${Object.keys(change).join()} with the reason: ${message}`, () => {
      assert.throws(() => settings(change), {
        message: `settings.json cannot be used; nothing was changed.\n  - ${message}`,
      });
    });
  }

  describe("accepts and refuses under stack what the stack's own settings do", () => {
    const context = {
      databaseCredentials: "dynamic",
      databaseHost: "db",
      tls: "vault",
      tlsPkiRole: "edge",
      log: "vault",
    };
    const cases: [key: string, taken: string[], refused: string[]][] = [
      ["vaultPath", ["audit-svc/vm2", "audit-svc/a_b/C"], ["audit-svc/-x", "audit-svc/x_", "audit-svc//x"]],
      ["hostCidr", ["10.0.0.20/32", "2001:db8::/64"], ["10.0.0.20", "10.0.0.0/33"]],
      [
        "databaseHost",
        ["db.example.test", "2001:db8::5", "[2001:db8::5]"],
        ["db:5432", "fe80::1%eth0", "1.2.3", "a b"],
      ],
      ["databaseName", ["audit", "a_1"], ["postgres", "pg_x", "Audit", "pgbouncer"]],
      ["databaseSslMode", ["disable", "require", "verify-full"], ["prefer"]],
      ["tlsPkiMount", ["pki", "team/pki_int"], ["PKI", "pki-", "sys/pki"]],
      ["log", ["off", "vault", "key"], ["on", "transit"]],
      ["logTransitMount", ["transit", "team/sign"], ["Transit", "sign/", "sys/transit"]],
      ["tlsPkiRole", ["edge", "edge.example-1_x"], [".edge", "a/b"]],
    ];
    const takenByBootstrap = (key: string, value: string) => {
      try {
        settings({ stack: { ...context, [key]: value } });
        return true;
      } catch {
        return false;
      }
    };
    for (const [key, taken, refused] of cases) {
      it(key, () => {
        for (const value of [...taken, ...refused]) {
          const own = Object.fromEntries(
            Object.entries({ ...context, [key]: value }).map(([k, v]) => [`audit:${k}`, v]),
          );
          assert.equal(problems(own).length === 0, taken.includes(value), `audit:${key} ${value}`);
          assert.equal(takenByBootstrap(key, value), taken.includes(value), `stack.${key} ${value}`);
        }
      });
    }

    it("and comes to the same in Vault", () => {
      const stack = { ...context, databaseHost: "[2001:db8::5]", tlsPkiRole: "edge.example" };
      const own = Object.fromEntries(Object.entries(stack).map(([key, value]) => [`audit:${key}`, value]));
      assert.deepEqual(stackInVault(settings({ stack })), parseSettings({ ...good, ...own }).vault.rights.stack);
    });
  });

  it("refuses a stack with a path where a deploy may not write, or with missing settings", () => {
    const stack = { vaultPath: "other/vm2", databaseCredentials: "dynamic", tls: "vault" };
    assert.throws(() => settings({ stack }), {
      message:
        "settings.json cannot be used; nothing was changed.\n" +
        "  - stack.vaultPath: must be below servicePath, audit-svc/, where a deploy may write\n" +
        "  - stack.databaseHost: is missing; it is needed with databaseCredentials dynamic\n" +
        "  - stack.tlsPkiRole: is missing; it is needed with tls vault",
    });
  });
});
