import assert from "node:assert/strict";
import { backend } from "./harness/backends.js";
import { assertAutoname, assertEffects, assertHas, assertRefused, assertStable, effect } from "./harness/expect.js";
import { Bench } from "./harness/installed.js";
import type { Plugin } from "./harness/plugin.js";
import { UNKNOWN, isSecret, secret, secretKeys, unknownKeys, type Props } from "./harness/values.js";
import { vaultApi } from "./harness/vault.js";
import { unique } from "./harness/world.js";

const MOUNT = "vault:index/mount:Mount";
const SECRET = "vault:kv/secretV2:SecretV2";
const POLICY = "vault:index/policy:Policy";

/** Top-level secrets, without the bridge's own bookkeeping (`__pulumi_raw_state_delta`). */
const secrets = (props: Props): string[] => secretKeys(props).filter((k) => !k.startsWith("__"));

describe("vault: provider, Mount, kv.SecretV2, Policy", () => {
  const bench = new Bench();
  let plugin: Plugin;
  before(async () => {
    const { url, token } = backend("vault");
    plugin = await bench.configured("vault", { address: url, token, skipChildToken: true, maxRetries: 0 });
  });
  afterEach(() => bench.cleanUp());
  after(() => bench.close());

  describe("Provider", () => {
    it("asks for previews and for secrets to be stripped", () => {
      assertHas(
        { ...plugin.flags },
        { acceptSecrets: false, supportsPreview: true, supportsAutonamingConfiguration: true },
      );
    });

    it("refuses a setting that it does not know, by name", async () => {
      const { failures } = await plugin.checkConfig({ bogus: "1" });
      assert.match(failures.map((f) => f.property + f.reason).join(), /bogus/);
    });

    it("takes address and token from the environment", async () => {
      const { url, token } = backend("vault");
      const other = await bench.open("vault", { VAULT_ADDR: url, VAULT_TOKEN: token });
      await other.configure({ skipChildToken: true });
      await other.resource(POLICY, unique("pol")).create({ policy: "# none" });
      await other.cleanUp();
      await other.stop();
    });

    it("logs in when it is first needed, not before", async () => {
      const other = await bench.open("vault");
      await other.configure({ address: "http://127.0.0.1:1", token: "t", skipChildToken: true, maxRetries: 0 });
      const policy = other.resource(POLICY, unique("pol"));
      await policy.previewCreate({ policy: "# none" });
      await assert.rejects(policy.create({ policy: "# none" }), /connection refused|ECONNREFUSED/);
      assert.equal(policy.state, undefined);
      await other.stop();
    });

    it("works on a child of its token unless skipChildToken is set", async () => {
      const { url, token } = backend("vault");
      const name = unique("child");
      const other = await bench.configured("vault", { address: url, token, maxLeaseTtlSeconds: 77 });
      await other.resource(POLICY, name).create({ name, policy: "# none" });
      const { data } = (await vaultApi<{ data: { keys: string[] } }>("LIST", "auth/token/accessors")) ?? {
        data: { keys: [] },
      };
      const ttls = await Promise.all(
        data.keys.map(async (accessor) => {
          const found = await vaultApi<{ data: Props }>("POST", "auth/token/lookup-accessor", { accessor }).catch(
            () => undefined,
          );
          return found?.data;
        }),
      );
      const child = ttls.find((t) => t?.creation_ttl === 77);
      assert.ok(child, "a token with the TTL that was asked for");
      assert.equal(child.renewable ?? false, false);
      await other.cleanUp();
      await other.stop();
    });

    it("says which request was refused, and why", async () => {
      const { url } = backend("vault");
      const other = await bench.configured("vault", {
        address: url,
        token: "wrong",
        skipChildToken: true,
        maxRetries: 0,
      });
      await assert.rejects(
        other.resource(POLICY, unique("pol")).create({ policy: "# none" }),
        /403|permission denied|invalid token/,
      );
      await other.stop();
    });
  });

  describe("Mount", () => {
    it("mounts an engine; a new path moves it, a new type replaces it", async () => {
      const path = unique("kv");
      const mount = plugin.resource(MOUNT, "m");
      const base = { path, type: "kv", options: { version: "2" }, description: "d" };
      const { inputs } = await mount.check(base);
      assert.deepEqual(inputs, { __defaults: [], ...base });
      assert.deepEqual(unknownKeys(await mount.previewCreate(base)), [
        "accessor",
        "auditNonHmacRequestKeys",
        "auditNonHmacResponseKeys",
        "defaultLeaseTtlSeconds",
        "forceNoCache",
        "id",
        "maxLeaseTtlSeconds",
        "sealWrap",
      ]);
      await mount.create(base);
      assert.equal(mount.id, path);
      assert.match(String(mount.values.accessor), /^kv_/);
      await assertStable(mount, base);
      await mount.refresh();
      await assertStable(mount, base);
      await assertEffects(mount, base, [
        [{ path: `${path}-moved` }, "update"],
        [{ type: "pki" }, "replace"],
        [{ description: "e" }, "update"],
        [{ defaultLeaseTtlSeconds: 60 }, "update"],
        [{ maxLeaseTtlSeconds: 60 }, "update"],
        [{ options: { version: "1" } }, "update"],
        [{ local: true }, "replace"],
        [{ sealWrap: true }, "replace"],
      ]);
      await mount.update({ ...base, description: "e", maxLeaseTtlSeconds: 90 });
      const found = await vaultApi<{ data: { description: string; config: Props } }>("GET", `sys/mounts/${path}`);
      assert.deepEqual([found?.data.description, found?.data.config.max_lease_ttl], ["e", 90]);
    });

    it("moves to a new path", async () => {
      const path = unique("kv");
      const mount = plugin.resource(MOUNT, "m");
      await mount.create({ path, type: "kv" });
      await mount.update({ path: `${path}-moved`, type: "kv" });
      assert.equal(await vaultApi("GET", `sys/mounts/${path}`).catch(() => "gone"), "gone");
      assert.ok(await vaultApi("GET", `sys/mounts/${path}-moved`));
      assertHas(mount.outputs, { path: `${path}-moved` });
      await mount.refresh();
      assert.equal(mount.id, `${path}-moved`);
    });

    it("fails on a path in use and saves nothing", async () => {
      const path = unique("kv");
      await plugin.resource(MOUNT, "first").create({ path, type: "kv" });
      const second = plugin.resource(MOUNT, "second");
      await assert.rejects(second.create({ path, type: "kv" }), /path is already in use/);
      assert.equal(second.state, undefined);
    });

    it("is found gone", async () => {
      const path = unique("kv");
      const mount = plugin.resource(MOUNT, "m");
      await mount.create({ path, type: "kv" });
      await vaultApi("DELETE", `sys/mounts/${path}`);
      assert.equal(await mount.refresh(), undefined);
    });

    it("destroys the data when it is deleted", async () => {
      const path = unique("kv");
      const mount = plugin.resource(MOUNT, "m");
      await mount.create({ path, type: "kv" });
      await vaultApi("POST", `${path}/a`, { b: "c" });
      await mount.delete();
      await mount.create({ path, type: "kv" });
      assert.equal(await vaultApi("GET", `${path}/a`), undefined);
    });

    it("refuses by name what is missing or unknown", async () => {
      const mount = plugin.resource(MOUNT, "m");
      await assertRefused(mount, { type: "kv" }, "path");
      await assertRefused(mount, { path: "x" }, "type");
      await assertRefused(mount, { path: "x", type: "kv", bogus: 1 }, "bogus");
    });
  });

  describe("kv.SecretV2", () => {
    const kv = async (): Promise<string> => {
      const path = unique("kv");
      await plugin.resource(MOUNT, path).create({ path, type: "kv", options: { version: "2" } });
      return path;
    };
    const read = async (mount: string, name: string) =>
      vaultApi<{ data: { data: Props | null; metadata: { version: number } } }>("GET", `${mount}/data/${name}`);
    const json = (value: unknown) => secret(JSON.stringify(value));

    it("writes a version, and keeps dataJson and data as secrets", async () => {
      const mount = await kv();
      const s = plugin.resource(SECRET, "s");
      const base = { mount, name: "app/db", dataJson: json({ user: "u", port: 1 }) };
      const preview = await s.previewCreate(base);
      assert.deepEqual(unknownKeys(preview), ["customMetadata", "data", "id", "metadata", "path"]);
      assert.deepEqual(secrets(preview), ["data", "dataJson"]);
      await s.create(base);
      assert.equal(s.id, `${mount}/data/app/db`);
      assertHas(s.outputs, { path: `${mount}/data/app/db`, name: "app/db", dataJson: '{"port":1,"user":"u"}' });
      assert.deepEqual(secrets(s.outputs), ["data", "dataJson"]);
      assertHas((s.values.metadata ?? {}) as Props, { version: "1", destroyed: "false" });
      assert.deepEqual((await read(mount, "app/db"))?.data.data, { user: "u", port: 1 });
      await assertStable(s, base);
      await s.refresh();
      await assertStable(s, base);
      await assertEffects(s, base, [
        [{ mount: "other" }, "delete-before-replace"],
        [{ name: "other" }, "delete-before-replace"],
        [{ dataJson: json({ user: "v", port: 1 }) }, "update"],
        [{ deleteAllVersions: true }, "update"],
        [{ disableRead: true }, "update"],
        [{ cas: 1 }, "update"],
        [{ customMetadata: { maxVersions: 5 } }, "update"],
        [{ options: { cas: 1 } }, "update"],
      ]);
    });

    it("does not mind how the JSON is written", async () => {
      const mount = await kv();
      const s = plugin.resource(SECRET, "s");
      await s.create({ mount, name: "a", dataJson: secret('{"x": 1, "y": "z"}') });
      await assertStable(s, { mount, name: "a", dataJson: secret('{"y":"z","x":1}') });
      assert.equal((await read(mount, "a"))?.data.metadata.version, 1);
    });

    it("writes a new version at every update, under the same id", async () => {
      const mount = await kv();
      const s = plugin.resource(SECRET, "s");
      await s.create({ mount, name: "a", dataJson: json({ v: 1 }) });
      await s.update({ mount, name: "a", dataJson: json({ v: 2 }) });
      const found = await read(mount, "a");
      assert.deepEqual([found?.data.data, found?.data.metadata.version], [{ v: 2 }, 2]);
      assert.deepEqual(secrets(s.outputs), ["data", "dataJson"]);
      assertHas((s.values.metadata ?? {}) as Props, { version: "2" });
    });

    it("does not see what others wrote", async () => {
      const mount = await kv();
      const s = plugin.resource(SECRET, "s");
      const base = { mount, name: "a", dataJson: json({ v: 1 }) };
      await s.create(base);
      await vaultApi("POST", `${mount}/data/a`, { data: { v: "other" } });
      await s.refresh();
      await assertStable(s, base);
      assertHas((s.values.metadata ?? {}) as Props, { version: "2" });
    });

    it("deletes the latest version only, unless deleteAllVersions is set", async () => {
      for (const deleteAllVersions of [false, true]) {
        const mount = await kv();
        const s = plugin.resource(SECRET, "s");
        await s.create({ mount, name: "a", dataJson: json({ v: 1 }), deleteAllVersions });
        await s.update({ mount, name: "a", dataJson: json({ v: 2 }), deleteAllVersions });
        await s.delete();
        const old = await vaultApi<{ data: { data: Props } }>("GET", `${mount}/data/a?version=1`);
        assert.deepEqual(old?.data.data, deleteAllVersions ? undefined : { v: 1 });
        assert.equal(await read(mount, "a"), undefined);
      }
    });

    it("passes an unknown dataJson through a preview", async () => {
      const preview = await plugin.resource(SECRET, "s").previewCreate({ mount: "m", name: "a", dataJson: UNKNOWN });
      assert.ok(unknownKeys(preview).includes("dataJson"));
      assert.ok(isSecret(preview.dataJson), "secret by the schema");
    });

    it("refuses by name what is missing, unknown, or no JSON", async () => {
      const s = plugin.resource(SECRET, "s");
      await assertRefused(s, { name: "a", dataJson: "{}" }, "mount");
      await assertRefused(s, { mount: "m", name: "a", dataJson: "{nope" }, "dataJson");
      await assertRefused(s, { mount: "m", name: "a", dataJson: "{}", bogus: 1 }, "bogus");
    });
  });

  describe("Policy", () => {
    const text = 'path "a" {\n  capabilities = ["read"]\n}\n';

    it("puts a policy; a new name replaces it", async () => {
      const name = unique("pol");
      const policy = plugin.resource(POLICY, "p");
      const base = { name, policy: text };
      assert.deepEqual(unknownKeys(await policy.previewCreate(base)), ["id"]);
      await policy.create(base);
      assert.equal(policy.id, name);
      assertHas(policy.outputs, base);
      await assertStable(policy, base);
      await policy.refresh();
      await assertStable(policy, base);
      await assertEffects(policy, base, [
        [{ name: unique("other") }, "delete-before-replace"],
        [{ policy: "# other" }, "update"],
      ]);
      await policy.update({ name, policy: "# other" });
      const found = await vaultApi<{ data: { policy: string } }>("GET", `sys/policies/acl/${name}`);
      assert.equal(found?.data.policy, "# other");
    });

    it("names itself when it is not told", async () => {
      const name = unique("pol");
      const policy = plugin.resource(POLICY, name);
      const { inputs } = await policy.check({ policy: text });
      assertAutoname(inputs.name, name);
      assert.deepEqual(inputs.__defaults, ["name"]);
      await policy.create({ policy: text });
      assertAutoname(policy.id, name);
    });

    it("reads a missing policy as empty, so that it is put again", async () => {
      const name = unique("pol");
      const policy = plugin.resource(POLICY, "p");
      const base = { name, policy: text };
      await policy.create(base);
      await vaultApi("DELETE", `sys/policies/acl/${name}`);
      await policy.refresh();
      assert.equal(policy.id, name);
      assertHas(policy.outputs, { policy: "" });
      assert.equal(effect(await policy.diff(base)), "update");
      await policy.update(base);
      assert.ok(await vaultApi("GET", `sys/policies/acl/${name}`));
    });

    it("sees a policy changed by hand", async () => {
      const name = unique("pol");
      const policy = plugin.resource(POLICY, "p");
      await policy.create({ name, policy: text });
      await vaultApi("PUT", `sys/policies/acl/${name}`, { policy: "# changed" });
      await policy.refresh();
      assertHas(policy.outputs, { policy: "# changed" });
      assert.equal(effect(await policy.diff({ name, policy: text })), "update");
    });

    it("fails on a policy that Vault cannot parse, saves nothing", async () => {
      const policy = plugin.resource(POLICY, unique("pol"));
      await assert.rejects(policy.create({ policy: "path {" }), /400|parse/);
      assert.equal(policy.state, undefined);
    });
  });
});
