import assert from "node:assert/strict";
import type { Properties } from "../../plugins/framework/values.js";
import { CheckFailed, InitFailed, Plugin, Resource } from "./provider-client.js";
import { startVault, type VaultServer } from "./vault-server.js";

const MOUNT = "vault:index/mount:Mount";
const SECRET = "vault:kv/secretV2:SecretV2";
const POLICY = "vault:index/policy:Policy";
const AUTH = "vault:index/authBackend:AuthBackend";
const ROLE = "vault:appRole/authBackendRole:AuthBackendRole";
const SECRET_ID = "vault:appRole/authBackendRoleSecretId:AuthBackendRoleSecretId";
const KEY = "vault:transit/secretBackendKey:SecretBackendKey";
const PKI_ROLE = "vault:pkiSecret/secretBackendRole:SecretBackendRole";

describe("vault stand-in", function () {
  this.timeout(60_000);
  let vault: VaultServer;
  let plugin: Plugin;

  before(async function () {
    // Where no Vault is cached yet, it is built first.
    this.timeout(20 * 60_000);
    vault = await startVault();
    plugin = await Plugin.start("vault", { VAULT_ADDR: vault.address, VAULT_TOKEN: vault.token });
    await plugin.configure({});
  });
  after(async () => {
    await plugin?.stop();
    await vault?.stop();
  });

  const resource = (type: string, name: string) => new Resource(plugin, type, name);
  const data = async (path: string) => (await vault.api("GET", path))?.data as Properties;

  describe("Mount and SecretV2", () => {
    let mount: Resource;
    before(async () => {
      mount = await resource(MOUNT, "kv").create({ path: "kvtest", type: "kv-v2", description: "a" });
    });
    after(() => mount.delete());

    it("keeps the mount's type as the program wrote it, and tunes it in place", async () => {
      assert.equal(await mount.up({ path: "kvtest", type: "kv-v2", description: "b" }), "updated");
      await mount.refresh();
      assert.equal(await mount.up({ path: "kvtest", type: "kv-v2", description: "b" }), "same");
      assert.deepEqual((await mount.diff({ path: "kvtest", type: "transit" })).replaces, ["type"]);
    });

    it("keeps a lease time that is no longer set", async () => {
      await mount.up({ path: "kvtest", type: "kv-v2", maxLeaseTtlSeconds: 600 });
      assert.equal(await mount.up({ path: "kvtest", type: "kv-v2", description: "c" }), "updated");
      assert.equal((await data("sys/mounts/kvtest/tune")).max_lease_ttl, 600);
    });

    it("refuses a path in use", async () => {
      await assert.rejects(
        resource(MOUNT, "again").create({ path: "kvtest", type: "kv" }),
        /path is already in use at kvtest/,
      );
    });

    it("moves a mount with its secrets, and follows it by the id in the state", async () => {
      const moved = await resource(MOUNT, "moved").create({ path: "from", type: "kv-v2" });
      await resource(SECRET, "inside").create({ mount: "from", name: "a", dataJson: '{"b":"c"}' });
      assert.equal(await moved.up({ path: "to", type: "kv-v2" }), "updated");
      assert.deepEqual((await data("to/data/a")).data, { b: "c" });
      assert.equal(await moved.refresh(), true);
      assert.equal(await moved.up({ path: "to", type: "kv-v2" }), "same");
      await moved.delete();
      assert.equal((await vault.api("GET", "sys/mounts/to"))?.data, undefined);
    });

    it("writes a version per change, marks the data secret, and minds no spaces in it", async () => {
      const secret = await resource(SECRET, "s").create({
        mount: "kvtest",
        name: "a/b",
        dataJson: '{"b": 1, "a": "<&>"}',
      });
      assert.deepEqual([secret.id, secret.state.dataJson], ["kvtest/data/a/b", '{"a":"\\u003c\\u0026\\u003e","b":1}']);
      assert.deepEqual(secret.secrets.sort(), ["data", "dataJson"]);
      assert.equal(await secret.up({ mount: "kvtest", name: "a/b", dataJson: '{"a":"<&>","b":1}' }), "same");
      assert.equal(await secret.up({ mount: "kvtest", name: "a/b", dataJson: '{"a":2}' }), "updated");
      const now = await data("kvtest/data/a/b");
      assert.deepEqual([now.data, (now.metadata as Properties).version], [{ a: 2 }, 2]);
      await secret.delete();
    });

    it("does not notice other data, nor a deleted version; deletes only the latest version itself", async () => {
      const inputs = { mount: "kvtest", name: "c", dataJson: '{"a":1}' };
      const secret = await resource(SECRET, "c").create(inputs);
      await vault.api("POST", "kvtest/data/c", { data: { a: "other" } });
      await secret.refresh();
      assert.equal(await secret.up(inputs), "same");
      await vault.api("DELETE", "kvtest/data/c");
      assert.equal(await secret.refresh(), true);
      assert.equal(await secret.up(inputs), "same");
      await secret.delete();
      assert.notEqual((await vault.api("GET", "kvtest/metadata/c"))?.data, undefined);

      const whole = await resource(SECRET, "whole").create({ ...inputs, name: "d", deleteAllVersions: true });
      await whole.delete();
      assert.equal((await vault.api("GET", "kvtest/metadata/d"))?.data, undefined);
    });

    it("refuses what is no JSON object, and the write-only inputs by name", async () => {
      await assert.rejects(
        resource(SECRET, "x").create({ mount: "kvtest", name: "x", dataJson: "[1]" }),
        /it must be a JSON object/,
      );
      await assert.rejects(
        resource(SECRET, "x").create({ mount: "kvtest", name: "x", dataJson: "{}", dataJsonWo: "{}" }),
        /sandbox stand-in: vault:kv\/secretV2:SecretV2 does not implement input dataJsonWo/,
      );
    });
  });

  it("puts a policy again that somebody deleted, since it reads as an empty one", async () => {
    const policy = await resource(POLICY, "p").create({ policy: 'path "a" { capabilities = ["read"] }' });
    assert.match(policy.id, /^p-[0-9a-f]{7}$/);
    await vault.api("DELETE", `sys/policies/acl/${policy.id}`);
    assert.equal(await policy.refresh(), true);
    assert.equal(await policy.up({ policy: 'path "a" { capabilities = ["read"] }' }), "updated");
    assert.notEqual(await data(`sys/policies/acl/${policy.id}`), undefined);
    await policy.delete();
  });

  describe("AppRole", () => {
    let backend: Resource;
    before(async () => {
      backend = await resource(AUTH, "approle").create({ type: "approle", path: "roles" });
    });
    after(() => backend.delete());

    it("keeps what the program says of a tune block, and shows Vault's own without one", async () => {
      assert.equal((backend.state.tune as Properties).maxLeaseTtl, "768h");
      const tuned = { type: "approle", path: "roles", tune: { maxLeaseTtl: "200s" } };
      assert.equal(await backend.up(tuned), "updated");
      await backend.refresh();
      assert.equal(await backend.up(tuned), "same");
      assert.equal((await data("sys/mounts/auth/roles/tune")).max_lease_ttl, 200);
    });

    it("makes a role, puts host addresses back into CIDR form, and clears what is no longer set", async () => {
      const inputs = {
        backend: "roles",
        roleName: "web",
        tokenPolicies: ["b", "a"],
        tokenTtl: 60,
        tokenBoundCidrs: ["10.0.0.1/32"],
      };
      const role = await resource(ROLE, "web").create(inputs);
      await role.refresh();
      assert.deepEqual(role.state.tokenBoundCidrs, ["10.0.0.1/32"]);
      assert.equal(await role.up({ ...inputs, tokenPolicies: ["a", "b"] }), "same");
      assert.equal(await role.up({ backend: "roles", roleName: "web" }), "updated");
      const { token_ttl, token_policies, token_bound_cidrs } = await data("auth/roles/role/web");
      assert.deepEqual([token_ttl, token_policies, token_bound_cidrs], [0, [], []]);
      await vault.api("DELETE", "auth/roles/role/web");
      assert.equal(await role.refresh(), false);
    });

    it("keeps a role whose role_id Vault refuses, with init errors; the next run calls it good", async () => {
      const first = await resource(ROLE, "first").create({ backend: "roles", roleName: "first", roleId: "taken" });
      const second = resource(ROLE, "second");
      const inputs = { backend: "roles", roleName: "second", roleId: "taken" };
      await assert.rejects(
        second.up(inputs),
        (error: Error) => error instanceof InitFailed && error.message.includes("RoleID"),
      );
      assert.equal(second.id, "auth/roles/role/second");
      assert.equal(await second.up(inputs), "updated");
      assert.equal(second.hasInitErrors, false);
      await first.delete();
      await second.delete();
    });

    it("leaves out what it is told by a deleted auth method", async () => {
      const role = await resource(ROLE, "late").create({ backend: "roles", roleName: "late" });
      await vault.api("DELETE", "auth/roles/role/late");
      await role.delete();
    });

    it("replaces a secret_id whose ttl comes from the role, at every run", async () => {
      await vault.api("POST", "auth/roles/role/ttl", { secret_id_ttl: "600s" });
      const inputs = { backend: "roles", roleName: "ttl" };
      const secretId = await resource(SECRET_ID, "plain").create(inputs);
      assert.deepEqual(secretId.secrets, ["secretId"]);
      assert.deepEqual((await secretId.diff(inputs)).replaces, ["ttl"]);
      await secretId.delete();
    });

    it("forgets a wrapped secret_id once it was unwrapped", async () => {
      await vault.api("POST", "auth/roles/role/wrap", {});
      const wrapped = await resource(SECRET_ID, "wrapped").create({
        backend: "roles",
        roleName: "wrap",
        wrappingTtl: "60s",
      });
      assert.deepEqual(wrapped.secrets, ["wrappingToken"]);
      assert.equal(await wrapped.refresh(), true);
      const unwrapped = await vault.api(
        "POST",
        "sys/wrapping/unwrap",
        undefined,
        wrapped.state.wrappingToken as string,
      );
      assert.notEqual((unwrapped?.data as Properties).secret_id, undefined);
      assert.equal(await wrapped.refresh(), false);
    });
  });

  it("forgets a failed update: the state holds what was wanted", async () => {
    const policy = await resource(POLICY, "refused").create({ policy: "# nothing" });
    const bad = { policy: "nonsense {" };
    await assert.rejects(
      policy.up(bad),
      (error: Error) => error instanceof InitFailed && error.message.includes("failed to parse policy"),
    );
    assert.deepEqual(
      [policy.hasInitErrors, policy.state.policy, (await policy.diff(bad)).changes],
      [true, "nonsense {", "none"],
    );
    await policy.delete();
  });

  it("sets a transit key's minEncryptionVersion only at the second run, and deletes only what may be deleted", async () => {
    const mount = await resource(MOUNT, "transit").create({ path: "transit-test", type: "transit" });
    const key = await resource(KEY, "key").create({ backend: "transit-test", name: "k", minEncryptionVersion: 1 });
    assert.deepEqual((await key.diff({ backend: "transit-test", name: "k", minEncryptionVersion: 1 })).diffs, [
      "minEncryptionVersion",
    ]);
    await assert.rejects(key.delete(), /deletion is not allowed/);
    assert.equal(
      await key.up({
        backend: "transit-test",
        name: "k",
        minEncryptionVersion: 1,
        deletionAllowed: true,
        exportable: true,
      }),
      "updated",
    );
    await assert.rejects(
      key.diff({ backend: "transit-test", name: "k", exportable: false }),
      /'exportable' cannot be disabled/,
    );
    await key.delete();
    await mount.delete();
  });

  it("shows a PKI role's ttl in seconds, whatever the program wrote", async () => {
    const mount = await resource(MOUNT, "pki").create({ path: "pki-test", type: "pki" });
    const role = await resource(PKI_ROLE, "role").create({
      backend: "pki-test",
      name: "r",
      ttl: "1h",
      maxTtl: "86400",
    });
    assert.deepEqual((await role.diff({ backend: "pki-test", name: "r", ttl: "1h", maxTtl: "86400" })).diffs, ["ttl"]);
    assert.equal(
      await role.up({ backend: "pki-test", name: "r", ttl: "3600", maxTtl: "86400", allowAnyName: true }),
      "updated",
    );
    assert.equal(
      await role.up({ backend: "pki-test", name: "r", ttl: "3600", maxTtl: "86400", allowAnyName: true }),
      "same",
    );
    await role.delete();
    await mount.delete();
  });

  it("wants one key source for a JWT method", async () => {
    const jwt = resource("vault:jwt/authBackend:AuthBackend", "jwt");
    await assert.rejects(
      jwt.create({ path: "j" }),
      (error: Error) => error instanceof CheckFailed && error.message.includes("exactly one of"),
    );
    await assert.rejects(
      jwt.create({ path: "j", jwksUrl: "https://a.example", oidcDiscoveryUrl: "https://b.example" }),
      /conflicts with/,
    );
  });
});
