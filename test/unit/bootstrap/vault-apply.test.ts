import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { planVault } from "../../../bootstrap/plan";
import { applyVaultPlan, type VaultRequest } from "../../../lib/vault/plan";
import { Authority } from "../support/authority";
import { given, settings } from "./support/vault-settings";

/** Vault shows a connection's address and login within another field. */
const shown = (path: string, body: object): Record<string, unknown> =>
  path.includes("/config/") && "connection_url" in body ? { ...body, connection_details: body } : { ...body };

/** A fake Vault with a few paths that returns what was written. */
function vault(present: Record<string, Record<string, unknown>> = {}) {
  const data: Record<string, Record<string, unknown>> = { "sys/mounts": {}, "sys/auth": {}, ...present };
  const written: string[] = [];
  const request: VaultRequest = async (method, path, body) => {
    if (method === "GET") return data[path] === undefined ? undefined : { data: data[path] };
    written.push(path);
    const mount = /^(sys\/(?:mounts|auth))\/([^/]+)$/.exec(path);
    if (path.endsWith("/tune")) {
      const { lockout_disable } = (body as { user_lockout_config: { lockout_disable: boolean } }).user_lockout_config;
      data[path] = { user_lockout_disable: lockout_disable };
    } else if (mount?.[1] !== undefined) data[mount[1]] = { ...data[mount[1]], [`${mount[2]}/`]: body };
    else data[path] = shown(path, body ?? {});
    return {};
  };
  return { request, written, data };
}

describe("Vault's set-up, applied", () => {
  it("keeps Vault from locking out an agent", async () => {
    const { request, data } = vault({ "sys/auth/approle/tune": { user_lockout_disable: false } });
    const changes = await applyVaultPlan(request, planVault(settings()));
    assert.ok(changes.includes("sys/auth/approle/tune: user_lockout_disable set"), changes.join("\n"));
    assert.deepEqual(data["sys/auth/approle/tune"], { user_lockout_disable: true });
  });

  it("creates what is missing, and nothing the second time", async () => {
    const plan = planVault(settings());
    const { request, written } = vault();
    const first = await applyVaultPlan(request, plan);
    assert.equal(first.length, written.length);
    assert.ok(first.includes("secrets engine database: enabled as database"), first.join("\n"));
    assert.deepEqual(await applyVaultPlan(request, plan), []);
  });

  it("only reports what differs with --check", async () => {
    const plan = planVault(settings());
    const { request, written, data } = vault();
    await applyVaultPlan(request, plan);
    written.length = 0;
    data["sys/policies/acl/audit-ci-preview"] = { policy: 'path "*" { capabilities = ["sudo"] }' };
    data["auth/jwt/role/audit-ci-deploy"] = { ...data["auth/jwt/role/audit-ci-deploy"], token_ttl: 99999 };
    assert.deepEqual(await applyVaultPlan(request, plan, true), [
      "policy audit-ci-preview: written",
      "auth/jwt/role/audit-ci-deploy: token_ttl set",
    ]);
    assert.deepEqual(written, []);
  });

  it("refuses a path that is taken by another engine", async () => {
    const { request } = vault({ "sys/mounts": { "database/": { type: "kv" } } });
    await assert.rejects(applyVaultPlan(request, planVault(settings())), {
      message:
        "Vault has a secrets engine of type kv at database, and database is needed there; move it, or set another path where the settings have one.",
    });
  });

  it("gives Vault the authority of a GitLab with a private CA's certificate", async () => {
    const directory = mkdtempSync(join(tmpdir(), "authority-"));
    try {
      const { file, pem } = new Authority(directory);
      const plan = planVault(settings({ gitlab: { ...given.gitlab, caFile: file } }));
      assert.deepEqual(plan.ensure.find((one) => one.path === "auth/jwt/config")?.body, {
        bound_issuer: given.gitlab.url,
        oidc_discovery_url: given.gitlab.url,
        oidc_discovery_ca_pem: pem,
      });
      assert.throws(() => settings({ gitlab: { ...given.gitlab, caFile: join(directory, "none") } }), {
        message: /gitlab\.caFile: \S+none cannot be read \(ENOENT\)/,
      });
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  it("says what to do when Vault does not trust GitLab's certificate", async () => {
    const { request } = vault();
    const refusing: VaultRequest = (method, path, body) =>
      method === "POST" && path === "auth/jwt/config"
        ? Promise.reject(new Error("error checking oidc discovery URL: x509: certificate signed by unknown authority"))
        : request(method, path, body);
    await assert.rejects(applyVaultPlan(refusing, planVault(settings())), {
      message: /unknown authority\nVault does not trust GitLab's certificate: name a PEM file .* in gitlab\.caFile\.$/,
    });
  });
});
