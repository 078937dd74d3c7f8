import assert from "node:assert/strict";
import { VaultClient, VaultFailure } from "../../../lib/vault/client";
import { closeAll, double, type Answer } from "../ci/support/servers";

describe("the client of Vault", () => {
  afterEach(closeAll);

  const answering = async (answer: Answer, access: { token?: string; namespace?: string } = {}) => {
    const vault = await double(() => answer);
    return { vault, client: new VaultClient({ address: `${vault.url}/`, ...access }) };
  };
  const failure = (message: string | RegExp, status?: number) => (error: unknown) => {
    assert.ok(error instanceof VaultFailure);
    assert.equal(error.status, status);
    if (typeof message === "string") assert.equal(error.message, message);
    else assert.match(error.message, message);
    return true;
  };

  it("sends method, path, body, token, namespace and further headers", async () => {
    const { vault, client } = await answering({ body: { data: { a: 1 } } }, { token: "hvs.a", namespace: "team" });
    assert.deepEqual(await client.request("PUT", "a/b", { c: 2 }, { "X-Vault-Wrap-TTL": "60s" }), { data: { a: 1 } });
    const [asked] = vault.asked;
    assert.deepEqual([asked?.method, asked?.path, asked?.body], ["PUT", "/v1/a/b", '{"c":2}']);
    const { "x-vault-token": token, "x-vault-namespace": namespace, ...rest } = asked?.headers ?? {};
    assert.deepEqual([token, namespace, rest["x-vault-request"], rest["x-vault-wrap-ttl"]], ["hvs.a", "team", "true", "60s"]); // prettier-ignore
  });

  it("sends no token or namespace if they are missing or empty", async () => {
    for (const access of [{}, { token: "", namespace: "" }]) {
      const { vault, client } = await answering({ body: {} }, access);
      await client.request("GET", "sys/seal-status");
      assert.deepEqual(Object.keys(vault.asked[0]?.headers ?? {}).filter((name) => /vault-(token|name)/.test(name)), []); // prettier-ignore
    }
  });

  it("distinguishes an answer without a body from nothing at the path", async () => {
    assert.deepEqual(await (await answering({ status: 204 })).client.request("POST", "a"), {});
    assert.equal(await (await answering({ status: 404, body: { errors: [] } })).client.request("GET", "a"), undefined);
  });

  it("says what Vault refused, and why, without the body that was sent", async () => {
    const refusing = await answering({ status: 403, body: { errors: ["permission denied", "and more"] } });
    await assert.rejects(
      refusing.client.request("POST", "a/b", { password: "of-somebody" }),
      failure("Vault answered 403 to POST a/b: permission denied; and more", 403),
    );
    assert.deepEqual(await refusing.client.send("GET", "a/b"), {
      status: 403,
      answer: { errors: ["permission denied", "and more"] },
      errors: ["permission denied", "and more"],
    });
  });

  it("says that nobody answers, or something other than Vault", async () => {
    const nobody = new VaultClient({ address: "http://127.0.0.1:1" });
    await assert.rejects(nobody.send("GET", "a"), failure(/^Vault at http:\/\/127\.0\.0\.1:1 \(VAULT_ADDR\) does not answer: bad port$/)); // prettier-ignore
    for (const status of [200, 404, 502]) {
      const { vault, client } = await answering({ status, body: "<html>" });
      const message = `VAULT_ADDR ${vault.url} answered ${status} with something that is not Vault's JSON`;
      await assert.rejects(client.request("GET", "a"), failure(message));
    }
  });

  it("repeats neither a login in the address nor a token that is invalid in a header", async () => {
    assert.throws(
      () => new VaultClient({ address: "https://alice:hidden@vault.example.com" }),
      failure("VAULT_ADDR must not hold a login; the token comes from VAULT_TOKEN"),
    );
    const { client } = await answering({}, { token: "hid\nden" });
    await assert.rejects(client.request("GET", "a"), (error: Error) => {
      assert.match(error.message, /^the value of the header X-Vault-Token has a line break/);
      assert.doesNotMatch(error.message, /hid/);
      return true;
    });
  });
});
