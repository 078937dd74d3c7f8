import assert from "node:assert/strict";
import http from "node:http";
import type { AddressInfo } from "node:net";
import type { Properties } from "../../plugins/framework/values.js";
import { Plugin, Resource } from "./provider-client.js";
import { startVault, type VaultServer } from "./vault-server.js";

const POLICY = "vault:index/policy:Policy";

describe("vault stand-in: login", function () {
  this.timeout(60_000);
  let vault: VaultServer;

  before(async function () {
    // Where no Vault is cached yet, it is built first.
    this.timeout(20 * 60_000);
    vault = await startVault();
  });
  after(() => vault?.stop());

  /** Configures a plugin of its own and has it put a policy there; what Vault was asked is kept. */
  async function policyThrough(
    config: Properties,
    env: NodeJS.ProcessEnv,
    mangle?: (url: string, seen: number) => number | undefined,
  ) {
    const seen: { method: string; url: string; body: string; token: string | undefined }[] = [];
    const proxy = http.createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => {
        const body = Buffer.concat(chunks).toString();
        const url = request.url ?? "";
        const token = request.headers["x-vault-token"];
        seen.push({ method: request.method ?? "", url, body, token: Array.isArray(token) ? token[0] : token });
        const status = mangle?.(url, seen.filter((one) => one.url === url).length);
        if (status !== undefined) {
          response.writeHead(status).end(JSON.stringify({ errors: ["made up"] }));
          return;
        }
        const forwarded = http.request(
          `${vault.address}${url}`,
          { method: request.method, headers: request.headers },
          (answer) => {
            response.writeHead(answer.statusCode ?? 500, answer.headers);
            answer.pipe(response);
          },
        );
        forwarded.end(body);
      });
    });
    await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
    const address = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
    const other = await Plugin.start("vault", { VAULT_ADDR: address, VAULT_TOKEN: vault.token, ...env });
    try {
      await other.configure(config);
      assert.equal(seen.length, 0, "configuring sends nothing");
      await new Resource(other, POLICY, "login").create({ policy: "# nothing" });
    } finally {
      await other.stop();
      proxy.closeAllConnections();
      proxy.close();
    }
    return seen;
  }

  it("works with a child token that cannot be renewed and lives 1200 s", async () => {
    const seen = await policyThrough({}, {});
    const made = seen.find(({ url }) => url === "/v1/auth/token/create");
    assert.deepEqual(JSON.parse(made?.body ?? ""), {
      display_name: "terraform",
      ttl: "1200s",
      explicit_max_ttl: "1200s",
      renewable: false,
    });
    const child = seen.at(-1)?.token ?? "";
    assert.notEqual(child, vault.token);
    const info = (await vault.api("GET", "auth/token/lookup-self", undefined, child))?.data as Properties;
    assert.deepEqual([info.renewable, info.creation_ttl], [false, 1200]);
    assert.equal(seen.filter(({ url }) => url === "/v1/auth/token/create").length, 1);
  });

  it("works with the token itself when skipChildToken is set, and takes the setting before the environment", async () => {
    const seen = await policyThrough({ skipChildToken: true, token: vault.token }, { VAULT_TOKEN: "another" });
    assert.ok(!seen.some(({ url }) => url === "/v1/auth/token/create"));
    assert.ok(seen.every(({ token }) => token === vault.token));
  });

  it("tries again after a failure that may pass, maxRetries times", async () => {
    const failing = (times: number) => (url: string, seen: number) =>
      url === "/v1/auth/token/lookup-self" && seen <= times ? 503 : undefined;
    await policyThrough({}, {}, failing(1));
    await assert.rejects(policyThrough({ maxRetries: 0 }, {}, failing(1)), /failed to lookup token[^]*Code: 503/);
  });

  it("names what is missing", async () => {
    const none = { VAULT_TOKEN: "", HOME: "/nonexistent" };
    await assert.rejects(
      policyThrough({}, none),
      /no vault token set on Client; set the provider's token, or VAULT_TOKEN/,
    );
    await assert.rejects(policyThrough({}, { VAULT_ADDR: "" }), /set the provider's address, or VAULT_ADDR/);
    await assert.rejects(
      policyThrough({ address: "http://127.0.0.1:1", maxRetries: 0 }, {}),
      /cannot reach Vault at http:\/\/127.0.0.1:1: .*ECONNREFUSED.*; check that it runs there/,
    );
    await assert.rejects(
      policyThrough({ caCertFile: "/nonexistent.pem", address: "https://127.0.0.1:1" }, {}),
      /caCertFile: ENOENT/,
    );
    await assert.rejects(policyThrough({ skipGetVaultVersion: true }, {}), /skipGetVaultVersion/);
  });
});
