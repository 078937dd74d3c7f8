import assert from "node:assert/strict";
import { sign } from "node:crypto";
import { rmSync } from "node:fs";
import { type Server, createServer } from "node:http";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import pg from "pg";
import { createPrivateKey } from "node:crypto";
import { type TestDatabase, createDatabase } from "../support/database.js";
import { event, post } from "../support/events.js";
import { LoggingService, ORIGIN, newDirectory, newKey } from "../support/log.js";
import { pause, until } from "../support/postgres.js";

describe("the order of the log", function () {
  this.timeout(60_000);
  let database: TestDatabase;
  let service: LoggingService;
  beforeEach(async () => {
    database = await createDatabase();
    service = await LoggingService.start(database.runtime);
  });
  afterEach(async () => {
    await service.stop();
    await database.drop();
  });
  const some = async (count: number, by = service): Promise<void> => {
    const answer = await post(
      by.app.main,
      Array.from({ length: count }, () => event()),
    );
    assert.equal(answer.statusCode, 201, answer.body);
  };
  const writer = async (): Promise<pg.Client> => {
    const client = new pg.Client({ ...database.runtime, database: database.name });
    await client.connect();
    return client;
  };
  const store = (id: string): string =>
    `SELECT audit.store('{0}', '{${id}}', '{2026-01-01}', '{late}', '{a}', '{a}', '{a}', '{success}', '{"{}"}')`;
  const ID = "9f1c2b34-0000-4000-8000-000000000001";

  it("takes from the service's role no hash and no checkpoint beyond what it has", async () => {
    await some(300);
    await service.covers(300);
    const role = await writer();
    const hash = "decode(repeat('00', 32), 'hex')";
    for (const call of [
      ...["log_add_hashes(1::smallint, 100000, ", "log_add_hashes(1::smallint, 1, ", "log_add_hashes(2::smallint, 0, "].map((one) => `${one}${hash})`),
      ...["log_add_hashes(0::smallint, 300, ", "log_add_hashes(1::smallint, 0, '\\x00' || "].map((one) => `${one}${hash})`),
      ...["'signed', 301, 0", "'witnessed', 301, 0", "'signed', 300, 1000000", "'signed', -1, 0"].map((one) => `log_keep(${one}, 'x')`),
    ])
      await assert.rejects(role.query(`SELECT audit.${call}`), /the log has no /, call);
    // What is there already is as good as stored.
    await role.query(`SELECT audit.log_add_hashes(1::smallint, 0, ${hash})`);
    await role.end();
    await some(300);
    await service.covers(600);
    assert.equal((await service.verify()).whole, true);
  }); // prettier-ignore

  it("waits for a transaction that commits late, and for nobody else", async () => {
    // Read and written elsewhere: it must not hold the log up.
    const elsewhere = await writer();
    await elsewhere.query("BEGIN; SELECT count(*) FROM audit.events; SELECT pg_current_xact_id()");
    await some(3);
    await service.covers(3);
    const late = await writer();
    await late.query(`BEGIN; ${store(ID)}`);
    await some(300);
    await until(async () => (await service.metric("audit_log_lag_seconds")) > 3, 20_000, "the lag to show");
    assert.equal(await service.metric("audit_log_size"), 3);
    await late.query("COMMIT");
    await service.covers(304);
    const verdict = await service.verify();
    assert.deepEqual([verdict.whole, verdict.events], [true, 304]);
    await until(async () => (await service.metric("audit_log_lag_seconds")) === 0, 10_000, "no lag");
    for (const client of [elsewhere, late]) await client.end();
  });

  it("leaves out what was rolled back", async () => {
    const late = await writer();
    await late.query(`BEGIN; ${store(ID)}`);
    await some(3);
    await late.query("ROLLBACK");
    await service.covers(3);
    assert.equal((await service.verify()).whole, true);
    await late.end();
  });

  it("is one for several replicas at once", async () => {
    const second = await LoggingService.start(database.runtime, { key: service.key });
    for (let i = 0; i < 20; i++) {
      await Promise.all([some(100), some(37, second)]);
      if (i % 5 === 4) await pause(1100);
    }
    await service.covers(2740);
    const verdict = await service.verify();
    assert.deepEqual([verdict.whole, verdict.size, verdict.events], [true, 2740, 2740]);
    await until(async () => (await second.metric("audit_log_checkpoint_size")) === 2740, 10_000, "both know it");
    await second.stop();
  });

  it("stays as it is while the configuration has no log, and goes on when it has one again", async () => {
    await some(3);
    await service.covers(3);
    const content = service.content();
    service.file.write({ ...content, log: undefined });
    assert.equal((await service.app.configReloader.reload()).result, "applied");
    await some(3);
    assert.equal((await service.get("/log/checkpoint")).status, 404);
    await until(async () => Number.isNaN(await service.metric("audit_log_size")), 5000, "no figures of a log");
    assert.match(await service.app.metrics.registry.metrics(), /audit_log_errors_total\{step="sign"\} 0/);
    service.file.write(content);
    assert.equal((await service.app.configReloader.reload()).result, "applied");
    await service.covers(6);
    assert.equal((await service.verify()).whole, true);
  });

  it("keeps what retention leaves verifiable, and explains what it drops", async () => {
    await some(5);
    const old = Array.from({ length: 4 }, () => event({ occurredAt: "2001-05-05T00:00:00Z", id: undefined }));
    assert.equal((await post(service.app.main, old)).statusCode, 201);
    await service.covers(9);
    const since = await (await service.get("/log/checkpoint")).text();
    await database.query("SELECT audit.drop_before(now() - interval '100 days')");
    await some(1);
    await service.covers(10);
    const kept = await service.verify({ since, retentionDays: 100 });
    assert.deepEqual([kept.whole, kept.events, kept.dropped], [true, 6, 4]);
    const missing = await service.verify();
    assert.deepEqual(missing.findings.map(({ what }) => what), ["dropped"]); // prettier-ignore
  });
});

/** Vault's transit engine behind an agent's socket, with versions of a key. */
class FakeVault {
  readonly socket = join(newDirectory(), "vault.sock");
  readonly keys = [newKey()];
  requests: string[] = [];
  #server: Server | undefined;

  async start(): Promise<void> {
    rmSync(this.socket, { force: true });
    this.#server = createServer((request, response) => {
      void text(request).then((body) => {
        const { "x-vault-request": mark, "x-vault-namespace": namespace } = request.headers;
        this.requests.push([request.method, request.url, mark, namespace].join(" "));
        const version = this.keys.length;
        const answer = (data: object): void => void response.end(JSON.stringify({ data }));
        if (request.url === "/v1/transit/keys/audit-log")
          return answer({
            keys: Object.fromEntries(
              this.keys.map(({ verifier }, i) => [i + 1, { public_key: verifier.publicKey.toString("base64") }]),
            ),
          });
        const key = createPrivateKey(this.keys.at(-1)?.privateKey ?? "");
        const input = Buffer.from((JSON.parse(body) as { input: string }).input, "base64");
        answer({ signature: `vault:v${version}:${sign(null, input, key).toString("base64")}` });
      });
    });
    await new Promise<void>((resolve) => this.#server?.listen(this.socket, resolve));
  }

  async stop(): Promise<void> {
    this.#server?.closeAllConnections();
    await new Promise((resolve) => this.#server?.close(resolve));
  }
}

describe("signing by Vault", function () {
  this.timeout(60_000);
  let database: TestDatabase;
  const vault = new FakeVault();
  let service: LoggingService;
  before(async () => {
    database = await createDatabase();
    await vault.start();
    const signer = { socket: vault.socket, mount: "transit", key: "audit-log", namespace: "team" };
    service = await LoggingService.start(database.runtime, { key: vault.keys[0], log: { signer } });
  });
  after(async () => {
    await service.stop();
    await vault.stop();
    await database.drop();
  });
  const some = async (): Promise<void> => assert.equal((await post(service.app.main, event())).statusCode, 201);

  it("signs with the key through the agent's socket", async () => {
    await some();
    await service.covers(1);
    assert.equal((await service.verify()).whole, true);
    assert.deepEqual(vault.requests.slice(0, 2), [
      "POST /v1/transit/sign/audit-log true team",
      "GET /v1/transit/keys/audit-log true team",
    ]);
  });

  it("takes events in and gives them their place while Vault is away, and then goes on", async () => {
    await vault.stop();
    await some();
    await until(async () => (await service.metric('audit_log_errors_total{step="sign"}')) > 1, 20_000, "the errors to show"); // prettier-ignore
    await some();
    await until(async () => (await service.metric("audit_log_size")) === 3, 10_000, "the events' place");
    assert.equal(await service.metric("audit_log_checkpoint_size"), 1);
    assert.ok((await service.metric("audit_log_lag_seconds")) > 0);
    await vault.start();
    await service.covers(3);
    assert.equal((await service.verify()).whole, true);
  });

  it("goes on with the next version of the key; former checkpoints stay valid by the former key", async () => {
    const since = await service.covers(3);
    vault.keys.push(newKey());
    await some();
    const newest = await service.covers(4);
    const [first, second] = vault.keys.map(({ verifier }) => verifier);
    assert.ok(first !== undefined && second !== undefined);
    await assert.rejects(service.verify(), { message: /^the log's checkpoint is not signed by any --key/ });
    const verdict = await service.verify({ since, verifiers: [first, second] });
    assert.equal(verdict.whole, true);
    // A witness may report either.
    for (const note of [since, newest]) assert.equal((await service.report(note)).status, 204);
    assert.ok(newest.startsWith(`${ORIGIN}\n4\n`));
  });

  it("goes on when the key was deleted and another made, whose versions begin at 1 again", async () => {
    const signed = await service.metric("audit_log_checkpoint_size");
    vault.keys.splice(0, Infinity, ...vault.keys.map(() => newKey()));
    await some();
    await service.covers(signed + 1);
    const newest = vault.keys.at(-1)?.verifier;
    assert.equal((await service.verify({ verifiers: newest === undefined ? [] : [newest] })).whole, true);
  });
});
