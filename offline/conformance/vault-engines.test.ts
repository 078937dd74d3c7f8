import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { backend } from "./harness/backends.js";
import { assertAutoname, assertEffects, assertHas, assertRefused, assertStable, effect } from "./harness/expect.js";
import { Bench } from "./harness/installed.js";
import type { Plugin } from "./harness/plugin.js";
import { unknownKeys, type Props } from "./harness/values.js";
import { vaultApi } from "./harness/vault.js";
import { unique } from "./harness/world.js";

const MOUNT = "vault:index/mount:Mount";
const JWT = "vault:jwt/authBackend:AuthBackend";
const JWT_ROLE = "vault:jwt/authBackendRole:AuthBackendRole";
const KEY = "vault:transit/secretBackendKey:SecretBackendKey";
const CONNECTION = "vault:database/secretBackendConnection:SecretBackendConnection";
const DATABASE_ROLE = "vault:database/secretBackendRole:SecretBackendRole";
const STATIC_ROLE = "vault:database/secretBackendStaticRole:SecretBackendStaticRole";

const pem = (): string =>
  generateKeyPairSync("ec", { namedCurve: "P-256" })
    .publicKey.export({ type: "spki", format: "pem" })
    .toString()
    .trim();

describe("vault: jwt, transit, database", () => {
  const bench = new Bench();
  let plugin: Plugin;
  before(async () => {
    const { url, token } = backend("vault");
    plugin = await bench.configured("vault", { address: url, token, skipChildToken: true, maxRetries: 0 });
  });
  afterEach(() => bench.cleanUp());
  after(() => bench.close());

  describe("jwt", () => {
    it("enables the method with its keys; type replaces, path and issuer do not", async () => {
      const path = unique("jwt");
      const auth = plugin.resource(JWT, "j");
      const base = { path, type: "jwt", jwtValidationPubkeys: [pem()], boundIssuer: "https://issuer.invalid" };
      await auth.create(base);
      assert.equal(auth.id, path);
      const config = await vaultApi<{ data: Props }>("GET", `auth/${path}/config`);
      assertHas(config?.data ?? {}, {
        bound_issuer: "https://issuer.invalid",
        jwt_validation_pubkeys: base.jwtValidationPubkeys,
      });
      await assertStable(auth, base);
      await auth.refresh();
      await assertStable(auth, base);
      await assertEffects(auth, base, [
        [{ type: "oidc" }, "replace"],
        [{ path: `${path}-moved` }, "update"],
        [{ boundIssuer: "https://other.invalid" }, "update"],
        [{ jwtValidationPubkeys: [pem()] }, "update"],
        [{ description: "d" }, "update"],
        [{ defaultRole: "r" }, "update"],
      ]);
      await auth.update({ ...base, boundIssuer: "https://other.invalid" });
      const after = await vaultApi<{ data: Props }>("GET", `auth/${path}/config`);
      assertHas(after?.data ?? {}, { bound_issuer: "https://other.invalid" });
      await vaultApi("DELETE", `sys/auth/${path}`);
      assert.equal(await auth.refresh(), undefined);
    });

    it("keeps a role; roleName, backend and roleType replace", async () => {
      const path = unique("jwt");
      await plugin.resource(JWT, path).create({ path, jwtValidationPubkeys: [pem()] });
      const role = plugin.resource(JWT_ROLE, "r");
      const base = {
        backend: path,
        roleName: "ci",
        roleType: "jwt",
        userClaim: "sub",
        boundAudiences: ["vault"],
        boundClaims: { project: "audit,other" },
        tokenPolicies: ["p"],
        tokenTtl: 60,
      };
      await role.create(base);
      assert.equal(role.id, `auth/${path}/role/ci`);
      const found = await vaultApi<{ data: Props }>("GET", `auth/${path}/role/ci`);
      assertHas(found?.data ?? {}, {
        user_claim: "sub",
        bound_audiences: ["vault"],
        bound_claims: { project: ["audit", "other"] },
        token_policies: ["p"],
        token_ttl: 60,
      });
      await assertStable(role, base);
      await role.refresh();
      await assertStable(role, base);
      await assertEffects(role, base, [
        [{ roleName: "other" }, "replace"],
        [{ backend: "other" }, "replace"],
        [{ roleType: "oidc" }, "replace"],
        [{ userClaim: "email" }, "update"],
        [{ boundAudiences: ["other"] }, "update"],
        [{ boundClaims: { project: "audit" } }, "update"],
        [{ tokenPolicies: ["q"] }, "update"],
        [{ tokenTtl: 61 }, "update"],
      ]);
      await vaultApi("POST", `auth/${path}/role/ci`, { ...found?.data, token_ttl: 99 });
      await role.refresh();
      assertHas(role.outputs, { tokenTtl: 99 });
      assert.equal(effect(await role.diff(base)), "update");
      await vaultApi("DELETE", `auth/${path}/role/ci`);
      assert.equal(await role.refresh(), undefined);
    });

    it("refuses by name what is missing", async () => {
      await assertRefused(plugin.resource(JWT_ROLE, "r"), { roleName: "x" }, "userClaim");
      await assertRefused(plugin.resource(JWT_ROLE, "r"), { userClaim: "sub" }, "roleName");
    });
  });

  describe("transit.SecretBackendKey", () => {
    it("makes a key; what Vault cannot change replaces it, delete-first as its name was given", async () => {
      const path = unique("transit");
      await plugin.resource(MOUNT, path).create({ path, type: "transit" });
      const key = plugin.resource(KEY, "k");
      const base = { backend: path, name: "state", deletionAllowed: true };
      await key.create(base);
      assert.equal(key.id, `${path}/keys/state`);
      assertHas(key.outputs, {
        type: "aes256-gcm96",
        latestVersion: 1,
        minDecryptionVersion: 1,
        deletionAllowed: true,
      });
      await assertStable(key, base);
      await key.refresh();
      await assertStable(key, base);
      await assertEffects(key, base, [
        [{ backend: "other" }, "delete-before-replace"],
        [{ name: "other" }, "delete-before-replace"],
        [{ type: "ed25519" }, "delete-before-replace"],
        [{ derived: true }, "delete-before-replace"],
        [{ autoRotatePeriod: 3600 }, "update"],
        [{ deletionAllowed: undefined }, "update"],
      ]);
      await key.update({ ...base, autoRotatePeriod: 3600 });
      assertHas((await vaultApi<{ data: Props }>("GET", `${path}/keys/state`))?.data ?? {}, {
        auto_rotate_period: 3600,
      });
    });

    it("cannot be deleted unless deletionAllowed was set before", async () => {
      const path = unique("transit");
      await plugin.resource(MOUNT, path).create({ path, type: "transit" });
      const name = unique("key");
      const key = plugin.resource(KEY, name);
      await key.create({ backend: path });
      assertAutoname(key.values.name, name);
      await assert.rejects(key.delete(), /deletion is not allowed/);
      assert.ok(key.state, "kept");
      await key.update({ backend: path, deletionAllowed: true });
      await key.delete();
      assert.equal(await vaultApi("GET", `${path}/keys/${name}`), undefined);
    });
  });

  /** What Vault itself does with them needs its database plugin, which a minimal Vault has not got. */
  describe("database", () => {
    const postgresql = {
      connectionUrl: "postgresql://{{username}}:{{password}}@db:5432/app",
      username: "u",
      password: "p",
    };

    it("verifies a connection unless it is told not to; the password is not unknown in a preview", async () => {
      const connection = plugin.resource(CONNECTION, "c");
      const { inputs } = await connection.check({ backend: "db", name: "pg", postgresql });
      assertHas(inputs, { verifyConnection: true });
      const preview = await connection.previewCreate({ backend: "db", name: "pg", allowedRoles: ["app"], postgresql });
      assertHas(preview, { backend: "db", name: "pg", allowedRoles: ["app"] });
      assert.ok(unknownKeys(preview).includes("id"));
    });

    it("saves nothing when Vault refuses the connection", async () => {
      const connection = plugin.resource(CONNECTION, "c");
      const path = unique("db");
      await assert.rejects(
        connection.create({ backend: path, name: "pg", postgresql }),
        /404|400|no handler|unsupported path/,
      );
      assert.equal(connection.state, undefined);
    });

    it("refuses by name what is missing or unknown", async () => {
      await assertRefused(plugin.resource(CONNECTION, "c"), { name: "pg", postgresql }, "backend");
      await assertRefused(
        plugin.resource(CONNECTION, "c"),
        { backend: "db", name: "pg", postgresql, bogus: 1 },
        "bogus",
      );
      await assertRefused(plugin.resource(DATABASE_ROLE, "r"), { backend: "db", dbName: "pg" }, "creationStatements");
      await assertRefused(plugin.resource(STATIC_ROLE, "s"), { backend: "db", dbName: "pg", name: "s" }, "username");
    });
  });
});
