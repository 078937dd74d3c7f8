import assert from "node:assert/strict";
import { backend } from "./harness/backends.js";
import { assertEffects, assertHas, assertRefused, assertStable, effect } from "./harness/expect.js";
import { Bench } from "./harness/installed.js";
import type { Plugin } from "./harness/plugin.js";
import { secretKeys, unknownKeys, type Props } from "./harness/values.js";
import { vaultApi } from "./harness/vault.js";
import { unique } from "./harness/world.js";

const BACKEND = "vault:index/authBackend:AuthBackend";
const ROLE = "vault:appRole/authBackendRole:AuthBackendRole";
const SECRET_ID = "vault:appRole/authBackendRoleSecretId:AuthBackendRoleSecretId";

const secrets = (props: Props): string[] => secretKeys(props).filter((k) => !k.startsWith("__"));

describe("vault: AuthBackend, appRole", () => {
  const bench = new Bench();
  let plugin: Plugin;
  before(async () => {
    const { url, token } = backend("vault");
    plugin = await bench.configured("vault", { address: url, token, skipChildToken: true, maxRetries: 0 });
  });
  afterEach(() => bench.cleanUp());
  after(() => bench.close());

  const approle = async (): Promise<string> => {
    const path = unique("approle");
    await plugin.resource(BACKEND, path).create({ type: "approle", path });
    return path;
  };

  describe("AuthBackend", () => {
    it("enables a method; a new path moves it, a new type replaces it", async () => {
      const path = unique("approle");
      const auth = plugin.resource(BACKEND, "a");
      const base = { type: "approle", path };
      assert.deepEqual(unknownKeys(await auth.previewCreate(base)), ["accessor", "id", "tune"]);
      await auth.create(base);
      assert.equal(auth.id, path);
      assertHas(auth.outputs, { ...base, local: false, disableRemount: false });
      assert.match(String(auth.values.accessor), /^auth_approle_/);
      await assertStable(auth, base);
      await auth.refresh();
      await assertStable(auth, base);
      await assertEffects(auth, base, [
        [{ type: "userpass" }, "replace"],
        [{ path: `${path}-moved` }, "update"],
        [{ description: "d" }, "update"],
        [{ tune: { defaultLeaseTtl: "1h" } }, "update"],
        [{ local: true }, "replace"],
      ]);
      await auth.update({ ...base, description: "d", tune: { defaultLeaseTtl: "1h" } });
      const found = await vaultApi<{ data: { description: string; config: Props } }>("GET", `sys/auth/${path}`);
      assert.deepEqual([found?.data.description, found?.data.config.default_lease_ttl], ["d", 3600]);
      await auth.delete();
      await assert.rejects(vaultApi("GET", `sys/auth/${path}`));
    });

    it("takes the type for the path when it is not told", async () => {
      const auth = plugin.resource(BACKEND, "a");
      const { inputs } = await auth.check({ type: "approle" });
      assert.deepEqual(inputs, { __defaults: [], type: "approle" });
      assert.ok(unknownKeys(await auth.previewCreate({ type: "approle" })).includes("path"));
    });

    it("is found gone", async () => {
      const path = unique("approle");
      const auth = plugin.resource(BACKEND, "a");
      await auth.create({ type: "approle", path });
      await vaultApi("DELETE", `sys/auth/${path}`);
      assert.equal(await auth.refresh(), undefined);
    });

    it("fails on a path in use and saves nothing", async () => {
      const path = await approle();
      const auth = plugin.resource(BACKEND, "second");
      await assert.rejects(auth.create({ type: "approle", path }), /path is already in use/);
      assert.equal(auth.state, undefined);
    });
  });

  describe("appRole.AuthBackendRole", () => {
    it("keeps its limits; roleName and backend replace", async () => {
      const path = await approle();
      const role = plugin.resource(ROLE, "r");
      const base = {
        backend: path,
        roleName: "app",
        tokenPolicies: ["one", "two"],
        tokenTtl: 60,
        tokenMaxTtl: 120,
        secretIdTtl: 60,
        secretIdNumUses: 1,
        secretIdBoundCidrs: ["127.0.0.1/32"],
        tokenBoundCidrs: ["127.0.0.1/32"],
      };
      const { inputs } = await role.check(base);
      assertHas(inputs, { bindSecretId: true, tokenType: "default", __defaults: ["bindSecretId", "tokenType"] });
      assert.deepEqual(unknownKeys(await role.previewCreate(base)), ["id", "roleId"]);
      await role.create(base);
      assert.equal(role.id, `auth/${path}/role/app`);
      const found = await vaultApi<{ data: Props }>("GET", `auth/${path}/role/app`);
      assertHas(found?.data ?? {}, {
        token_policies: ["one", "two"],
        token_ttl: 60,
        token_max_ttl: 120,
        secret_id_ttl: 60,
        secret_id_num_uses: 1,
        secret_id_bound_cidrs: ["127.0.0.1/32"],
        bind_secret_id: true,
      });
      const id = await vaultApi<{ data: { role_id: string } }>("GET", `auth/${path}/role/app/role-id`);
      assertHas(role.outputs, { roleId: id?.data.role_id, tokenPolicies: ["one", "two"] });
      await assertStable(role, base);
      await role.refresh();
      await assertStable(role, base);
      await assertEffects(role, base, [
        [{ roleName: "other" }, "replace"],
        [{ backend: "other" }, "replace"],
        [{ roleId: "fixed" }, "update"],
        [{ tokenPolicies: ["two", "one"] }, "none"],
        [{ tokenPolicies: ["one"] }, "update"],
        [{ tokenTtl: 61 }, "update"],
        [{ tokenMaxTtl: 121 }, "update"],
        [{ tokenPeriod: 10 }, "update"],
        [{ tokenNumUses: 1 }, "update"],
        [{ secretIdTtl: undefined }, "update"],
        [{ secretIdNumUses: 2 }, "update"],
        [{ secretIdBoundCidrs: undefined }, "update"],
        [{ tokenBoundCidrs: ["10.0.0.0/8"] }, "update"],
        [{ bindSecretId: false }, "update"],
        [{ tokenType: "batch" }, "update"],
      ]);
      await role.update({ ...base, tokenTtl: 61, tokenPolicies: ["three"] });
      const after = await vaultApi<{ data: Props }>("GET", `auth/${path}/role/app`);
      assertHas(after?.data ?? {}, { token_ttl: 61, token_policies: ["three"] });
    });

    it("sees drift, and that it is gone", async () => {
      const path = await approle();
      const role = plugin.resource(ROLE, "r");
      const base = { backend: path, roleName: "app", tokenTtl: 60 };
      await role.create(base);
      await vaultApi("POST", `auth/${path}/role/app`, { token_ttl: 99 });
      await role.refresh();
      assertHas(role.outputs, { tokenTtl: 99 });
      assert.equal(effect(await role.diff(base)), "update");
      await vaultApi("DELETE", `auth/${path}/role/app`);
      assert.equal(await role.refresh(), undefined);
    });

    it("looks for `approle` when no backend is named", async () => {
      const role = plugin.resource(ROLE, "r");
      const preview = await role.previewCreate({ roleName: "app" });
      assertHas(preview, { roleName: "app" });
      await assertRefused(role, {}, "roleName");
      await assertRefused(role, { roleName: "app", bogus: 1 }, "bogus");
    });
  });

  describe("appRole.AuthBackendRoleSecretId", () => {
    it("keeps the secret_id as a secret; every input replaces", async () => {
      const path = await approle();
      await plugin.resource(ROLE, "r").create({ backend: path, roleName: "app" });
      const sid = plugin.resource(SECRET_ID, "s");
      const base = { backend: path, roleName: "app" };
      const preview = await sid.previewCreate(base);
      assert.deepEqual(unknownKeys(preview), ["accessor", "id", "secretId", "wrappingAccessor", "wrappingToken"]);
      assert.deepEqual(secrets(preview), ["secretId", "wrappingToken"]);
      await sid.create(base);
      assert.equal(sid.id, `backend=${path}::role=app::accessor=${String(sid.values.accessor)}`);
      assert.ok(secrets(sid.outputs).includes("secretId"));
      const { role_id } = (await vaultApi<{ data: Props }>("GET", `auth/${path}/role/app/role-id`))?.data ?? {};
      assert.ok(await vaultApi("POST", `auth/${path}/login`, { role_id, secret_id: sid.values.secretId }));
      await assertStable(sid, base);
      await sid.refresh();
      await assertStable(sid, base);
      await assertEffects(sid, base, [
        [{ backend: "other" }, "replace"],
        [{ roleName: "other" }, "replace"],
        [{ metadata: '{"a":"b"}' }, "replace"],
        [{ cidrLists: ["127.0.0.1/32"] }, "replace"],
        [{ ttl: 5 }, "replace"],
        [{ numUses: 1 }, "replace"],
        [{ wrappingTtl: "60s" }, "replace"],
        [{ withWrappedAccessor: true }, "replace"],
      ]);
      const accessor = sid.values.accessor;
      await sid.delete();
      await assert.rejects(
        vaultApi("POST", `auth/${path}/role/app/secret-id-accessor/lookup`, { secret_id_accessor: accessor }).then(
          (found) => assert.ok(found),
        ),
      );
    });

    it("wraps it when it is told to, and then knows no secret_id", async () => {
      const path = await approle();
      await plugin.resource(ROLE, "r").create({ backend: path, roleName: "app" });
      const sid = plugin.resource(SECRET_ID, "s");
      const base = { backend: path, roleName: "app", wrappingTtl: "60s" };
      await sid.create(base);
      assert.match(sid.id, /::accessor=wrapped-/);
      assert.ok(secrets(sid.outputs).includes("wrappingToken"));
      assert.ok(!sid.values.secretId);
      await assertStable(sid, base);
      const unwrapped = await fetch(`${backend("vault").url}/v1/sys/wrapping/unwrap`, {
        method: "POST",
        headers: { "X-Vault-Token": String(sid.values.wrappingToken) },
      });
      const { data } = (await unwrapped.json()) as { data: { secret_id: string } };
      assert.match(data.secret_id, /^[0-9a-f-]{36}$/);
      // Its wrapper is spent: a refresh finds it gone, so the next `up` issues another.
      assert.equal(await sid.refresh(), undefined);
    });

    it("deletes one whose wrapper is spent without a word, and the secret_id lives on", async () => {
      const path = await approle();
      await plugin.resource(ROLE, "r").create({ backend: path, roleName: "app" });
      const sid = plugin.resource(SECRET_ID, "s");
      await sid.create({ backend: path, roleName: "app", wrappingTtl: "60s" });
      await fetch(`${backend("vault").url}/v1/sys/wrapping/unwrap`, {
        method: "POST",
        headers: { "X-Vault-Token": String(sid.values.wrappingToken) },
      });
      await sid.delete();
      const left = await vaultApi<{ data: { keys: string[] } }>("LIST", `auth/${path}/role/app/secret-id`);
      assert.equal(left?.data.keys.length, 1);
    });

    it("differs for ever where the role has limits that the resource does not repeat", async () => {
      const path = await approle();
      await plugin.resource(ROLE, "r").create({ backend: path, roleName: "app", secretIdTtl: 60, secretIdNumUses: 2 });
      const sid = plugin.resource(SECRET_ID, "s");
      const base = { backend: path, roleName: "app" };
      await sid.create(base);
      const diff = await sid.diff(base);
      assert.deepEqual([effect(diff), diff.replaces], ["replace", ["numUses", "ttl"]]);
    });

    it("is found gone", async () => {
      const path = await approle();
      await plugin.resource(ROLE, "r").create({ backend: path, roleName: "app" });
      const sid = plugin.resource(SECRET_ID, "s");
      await sid.create({ backend: path, roleName: "app" });
      await vaultApi("POST", `auth/${path}/role/app/secret-id-accessor/destroy`, {
        secret_id_accessor: sid.values.accessor,
      });
      assert.equal(await sid.refresh(), undefined);
    });
  });
});
