import * as pulumi from "@pulumi/pulumi";
import assert from "node:assert/strict";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { findInVault } from "../../../../components/secrets/agents-in-vault";
import { adopted } from "../../../../components/secrets/in-vault";
import { applyVaultPlan } from "../../../../lib/vault/plan";
import { planAgents, type StackInVault } from "../../../../lib/vault/rights";
import { messagesNameKeys } from "../../support/keys";

const stack: StackInVault = {
  kvMount: "secret",
  vaultPath: "audit-svc/vm2",
  appRoleMount: "approle",
  boundCidrs: ["10.0.0.20/32"],
};
const settings = { vaultPath: "audit-svc/vm2", hostCidr: "10.0.0.20/32" };

describe("what the agents need in Vault, written by bootstrap", () => {
  messagesNameKeys();

  let server: Server;
  let address: string;
  let held: Record<string, object>;
  let requests: string[];
  let status: number | undefined;
  const token = process.env.VAULT_TOKEN;

  before(async () => {
    server = createServer((request, response) => {
      const path = (request.url ?? "").replace("/v1/", "");
      requests.push(`${request.method ?? ""} ${path}`);
      const found = held[path];
      response.writeHead(status ?? (found === undefined ? 404 : 200));
      response.end(JSON.stringify(status === undefined ? { data: found } : { errors: ["permission denied"] }));
    });
    await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
    address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  after(() => server.close());
  beforeEach(async () => {
    process.env.VAULT_TOKEN = "a-token";
    status = undefined;
    requests = [];
    held = { "sys/mounts": {}, "sys/auth": {} };
    await applyVaultPlan(async (method, path, body) => {
      if (method === "GET") return held[path] && { data: held[path] };
      held[path] = body ?? {};
      return {};
    }, planAgents(stack));
  });
  afterEach(async () => {
    if (token === undefined) delete process.env.VAULT_TOKEN;
    else process.env.VAULT_TOKEN = token;
    await preview(false);
  });
  const preview = (dry: boolean) =>
    pulumi.runtime.setMocks({ newResource: () => ({ id: "", state: {} }), call: () => ({}) }, "audit", "test", dry);
  const find = () => findInVault("bootstrap", { address }, { stack, bootstrap: settings });
  /** Vault shows the range of one address as that address. */
  const asVaultShowsIt = () => {
    const role = held["auth/approle/role/audit-svc"] as { token_bound_cidrs: string[] };
    assert.deepEqual(role.token_bound_cidrs, ["10.0.0.20"]);
  };

  it("is adopted when it matches, and nothing is written", async () => {
    await preview(false);
    asVaultShowsIt();
    assert.deepEqual(await find(), { owner: "bootstrap", readable: true });
    assert.ok(requests.length >= 4 && requests.every((request) => request.startsWith("GET ")), requests.join("\n"));
  });

  const mistakes: [what: string, change: () => void, line: string][] = [
    ["a policy that allows more", () => (held["sys/policies/acl/audit-svc"] = { policy: 'path "*" {}' }), "policy audit-svc: written"],
    ["a role that is missing", () => delete held["auth/approle/role/audit-svc"], "auth/approle/role/audit-svc: bind_secret_id, token_policies, token_no_default_policy, token_period, secret_id_ttl, secret_id_bound_cidrs, token_bound_cidrs set"],
    ["a role with another policy", () => Object.assign(held["auth/approle/role/audit-svc"] ?? {}, { token_policies: ["audit-svc", "root"] }), "auth/approle/role/audit-svc: token_policies set"],
    ["a role for any address", () => Object.assign(held["auth/approle/role/audit-svc"] ?? {}, { token_bound_cidrs: null }), "auth/approle/role/audit-svc: token_bound_cidrs set"],
  ]; // prettier-ignore
  for (const [what, change, line] of mistakes) {
    it(`is refused with its cure before anything is changed: ${what}`, async () => {
      await preview(false);
      change();
      await assert.rejects(find(), {
        message:
          "Vault does not have the policies and roles that this stack's agents need; nothing was changed.\n" +
          `  - differs: ${line}\n` +
          "Have an administrator of Vault run bootstrap/vault.ts (docs/guide.md, step 3; in the sandbox: make up) with\n" +
          '  "stack": {"vaultPath":"audit-svc/vm2","hostCidr":"10.0.0.20/32"}\n' +
          "in its settings, or set audit:vaultPolicies to program; its token must then be allowed to write policies.",
      });
    });
  }

  it("cannot be checked by a preview without a login, which says so and continues; a deploy stops", async () => {
    await preview(true);
    status = 403;
    assert.deepEqual(await find(), { owner: "bootstrap", readable: false });
    delete process.env.VAULT_TOKEN;
    assert.deepEqual(await find(), { owner: "bootstrap", readable: false });
    await preview(false);
    process.env.VAULT_TOKEN = "a-token";
  });

  it("is not requested with a login that is invalid in a header; the error does not repeat it", async () => {
    await preview(false);
    for (const [name, value] of [
      ["VAULT_TOKEN", "WARNING! x\nhvs.SECRET"],
      ["VAULT_TOKEN", "hvs.SECRET\u2026"],
      ["VAULT_NAMESPACE", "team\nSECRET"],
    ] as const) {
      const before = process.env[name];
      process.env[name] = value;
      try {
        await assert.rejects(find(), {
          message: `${name} has a line break or another character within it that a header cannot have; set it again without. Nothing was changed.`,
        });
      } finally {
        if (before === undefined) delete process.env[name];
        else process.env[name] = before;
      }
    }
    await assert.rejects(
      findInVault("bootstrap", { address: "http://u:SECRET@127.0.0.1:1" }, { stack, bootstrap: settings }),
      {
        message: "VAULT_ADDR must not hold a login; the token comes from VAULT_TOKEN. Nothing was changed.",
      },
    );
    assert.deepEqual(requests, []);
  });

  it("is not checked if the program writes it itself", async () => {
    status = 403;
    assert.deepEqual(await findInVault("program", { address }, { stack, bootstrap: settings }), {
      owner: "program",
      readable: true,
    });
    assert.deepEqual(requests, []);
  });

  it("is neither written nor deleted by the program, even if the program had created it before", () => {
    const owner = "bootstrap";
    assert.deepEqual(adopted({ owner, readable: true }, "audit-svc"), {
      import: "audit-svc",
      ignoreChanges: ["*"],
      retainOnDelete: true,
    });
    assert.deepEqual(adopted({ owner, readable: false }, "x"), { ignoreChanges: ["*"], retainOnDelete: true });
    assert.deepEqual(adopted({ owner: "program", readable: true }, "audit-svc"), {});
  });
});
