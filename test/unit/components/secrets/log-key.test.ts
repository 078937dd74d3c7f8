import * as pulumi from "@pulumi/pulumi";
import assert from "node:assert/strict";
import { createPrivateKey, createPublicKey, generateKeyPairSync } from "node:crypto";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import * as vault from "@pulumi/vault";
import { LogKey, type LogKeyArgs } from "../../../../components/secrets/log-key";
import { verifierKey } from "../../../../lib/verifier-key";
import { find, ofType, run, valueOf } from "../../support/program";

const origin = "audit.example.test/vm2";
const rawPublic = (pem: string): Buffer =>
  createPublicKey(createPrivateKey(pem)).export({ format: "der", type: "spki" }).subarray(-32);

describe("LogKey", () => {
  let server: Server;
  let address: string;
  let asked: string[];
  let answer: { status: number; body: object };
  const token = process.env.VAULT_TOKEN;
  const newKey = (): string => {
    const pair = generateKeyPairSync("ed25519");
    return pair.publicKey.export({ format: "der", type: "spki" }).subarray(-32).toString("base64");
  };
  const [first, second] = [newKey(), newKey()];

  before(async () => {
    process.env.VAULT_TOKEN = "a-token";
    server = createServer((request, response) => {
      asked.push(`${request.method ?? ""} ${request.url ?? ""}`);
      response.writeHead(answer.status).end(JSON.stringify(answer.body));
    });
    await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
    address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  after(() => {
    if (token === undefined) delete process.env.VAULT_TOKEN;
    else process.env.VAULT_TOKEN = token;
    server.close();
  });
  beforeEach(() => {
    asked = [];
    answer = {
      status: 200,
      body: { data: { type: "ed25519", keys: { 2: { public_key: second }, 1: { public_key: first } } } },
    };
  });

  const build = (signer: LogKeyArgs["signer"], more: Partial<LogKeyArgs["vault"]> = {}, previous?: string[]) =>
    new LogKey("audit-svc", {
      ...{ origin, signer, previous },
      vault: { provider: new vault.Provider("vault", { address }), address, ...more },
    });
  const byVault = (more: Partial<LogKeyArgs["vault"]> = {}) =>
    run(() => build({ by: "vault", mount: "transit" }, more));

  it("has Vault make a key that cannot leave it, and keeps that when the stack is destroyed", async () => {
    const { result, resources } = await byVault();
    const made = find(resources, "SecretBackendKey", "audit-svc-log-key");
    assert.equal(made.retainOnDelete, true);
    assert.deepEqual(made.inputs, {
      ...{ backend: "transit", name: "audit-svc-log", type: "ed25519" },
      ...{ exportable: false, allowPlaintextBackup: false },
    });
    assert.deepEqual(result.signing, { mount: "transit", key: "audit-svc-log" });
    assert.deepEqual(result.configuration, {
      ...{ origin, public: false },
      signer: { socket: "/run/audit/vault.sock", mount: "transit", key: "audit-svc-log" },
    });
  });

  it("makes none where bootstrap has, and names Vault's namespace to the service", async () => {
    const { result, resources } = await byVault({
      inVault: { owner: "bootstrap", readable: true },
      namespace: "team",
    });
    assert.deepEqual(ofType(resources, "SecretBackendKey"), []);
    assert.equal((result.configuration.signer as { namespace?: string }).namespace, "team");
  });

  it("gives verifiers the public keys of all versions, the newest first", async () => {
    const { result } = await byVault();
    const keys = await valueOf(result.verifierKeys);
    assert.deepEqual(
      keys,
      [second, first].map((key) => verifierKey(origin, Buffer.from(key, "base64"))),
    );
    assert.deepEqual(asked, ["GET /v1/transit/keys/audit-svc-log"]);
  });

  it("goes on giving out the keys of whoever signed this log before", async () => {
    const formerly = verifierKey(origin, Buffer.from(first, "base64"));
    const ofAnother = verifierKey("audit.example.test/vm3", Buffer.from(first, "base64"));
    const { result } = await run(() => build({ by: "key", version: 1 }, {}, [ofAnother, formerly]));
    const [own, ...others] = await valueOf(result.verifierKeys);
    assert.deepEqual(others, [formerly]);
    const again = await run(() => build({ by: "key", version: 1 }, {}, [own ?? "", formerly]));
    assert.equal((await valueOf(again.result.verifierKeys)).filter((key) => key === formerly).length, 1);
  });

  it("refuses a key of another type, and a Vault that does not answer, in a deploy but not in a preview", async () => {
    answer.body = { data: { type: "aes256-gcm96", keys: { 1: 1_700_000_000 } } };
    /** valueOf() waits for ever for what fails. */
    const keys = async (preview = false) => {
      const log = () => build({ by: "vault", mount: "transit" }, {}, ["of-the-last-run"]);
      const { result } = await run(log, undefined, undefined, preview);
      return (result.verifierKeys as unknown as { promise(): Promise<string[]> }).promise();
    };
    await assert.rejects(keys(), {
      message:
        "The log's public keys could not be read: Vault's key transit/keys/audit-svc-log is of type aes256-gcm96, and the log needs ed25519; rename that key",
    });
    answer = { status: 403, body: { errors: ["permission denied"] } };
    await assert.rejects(keys(), /could not be read: Vault answered 403 to GET transit\/keys\/audit-svc-log/);
    assert.deepEqual(await keys(true), ["of-the-last-run"]);
  });

  it("makes a key of its own for each version, gives the service the newest, and shows no private one", async () => {
    const { result, resources } = await run(() => build({ by: "key", version: 2 }));
    assert.deepEqual(
      ofType(resources, "RandomPassword").map(({ name, inputs }) => [name, inputs.length, inputs.special]),
      [
        ["audit-svc-log-key.v2", 64, false],
        ["audit-svc-log-key", 64, false],
      ],
    );
    assert.equal(result.signing, undefined);
    const signer = pulumi.output(result.configuration.signer) as pulumi.Output<{ privateKey: string }>;
    assert.equal(await pulumi.isSecret(signer), true);
    const { privateKey } = await valueOf(signer);
    assert.match(privateKey, /^-----BEGIN PRIVATE KEY-----\n/);
    const keys = await valueOf(result.verifierKeys);
    assert.equal(await pulumi.isSecret(result.verifierKeys), false);
    assert.equal(keys.length, 2);
    assert.equal(keys[0], verifierKey(origin, rawPublic(privateKey)));
    assert.notEqual(keys[1], keys[0]);
    assert.ok(!resources.some(({ inputs }) => JSON.stringify(inputs).includes("PRIVATE KEY")));
    assert.deepEqual(asked, []);
    const before = await run(() => build({ by: "key", version: 1 }));
    assert.deepEqual(await valueOf(before.result.verifierKeys), [keys[1]], "the former stays as it was");
  });
});
