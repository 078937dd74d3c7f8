import assert from "node:assert/strict";
import { get as httpGet, type IncomingMessage } from "node:http";
import { type AddressInfo, connect } from "node:net";
import pg from "pg";
import type { App } from "../src/app.js";
import { type TestDatabase, createDatabase } from "./support/database.js";
import { event, get, post } from "./support/events.js";
import { pause, until, withDatabase } from "./support/postgres.js";
import { startApp, tokens } from "./support/service.js";

describe("exports at once", function () {
  this.timeout(60_000);
  const open: IncomingMessage[] = [];
  let database: TestDatabase;
  let app: App;
  let stop: () => Promise<void>;
  before(async () => {
    database = await createDatabase();
    ({ app, stop } = await startApp(database.runtime, { exports: 2 }));
    await app.main.listen({ host: "127.0.0.1", port: 0 });
    // More than the sockets' buffers take.
    for (let i = 0; i < 20; i++) {
      const events = Array.from({ length: 50 }, () => event({ data: { a: "x".repeat(15_000) } }));
      assert.equal((await post(app.main, events)).statusCode, 201);
    }
  });
  after(async () => {
    for (const answer of open) answer.destroy();
    await stop();
    await database.drop();
  });

  /** An export whose client reads nothing of it. */
  function begin(): Promise<IncomingMessage> {
    const { port } = app.main.server.address() as AddressInfo;
    const headers = { authorization: `Bearer ${tokens.reader}` };
    return new Promise((resolve, reject) => {
      httpGet({ port, path: "/v1/events/export", headers, agent: false }, (answer) => {
        answer.pause();
        answer.on("error", () => undefined);
        open.push(answer);
        resolve(answer);
      }).on("error", reject);
    });
  }

  it("are limited, since each holds memory while its client is slow; the next is told to retry later", async () => {
    const [first, second] = [await begin(), await begin()];
    assert.deepEqual([first.statusCode, second.statusCode], [200, 200]);
    const refused = await get(app.main, "/v1/events/export");
    assert.equal(refused.statusCode, 503);
    assert.equal(refused.headers["retry-after"], "5");
    assert.equal(refused.json<{ error: string }>().error, "too_many_exports");
    assert.equal((await get(app.main, "/v1/events?limit=1")).statusCode, 200, "a list goes through");

    // One is aborted, the other read to its end: both free their slots.
    first.destroy();
    let bytes = 0;
    second.on("data", (chunk: Buffer) => (bytes += chunk.length));
    second.resume();
    await new Promise((resolve) => second.once("end", resolve));
    assert.ok(bytes > 15_000_000, `${bytes} bytes`);
    await until(async () => (await get(app.main, "/v1/events/export?actor=nobody")).statusCode === 200, 5_000);
    const [third, fourth] = [await begin(), await begin()];
    assert.deepEqual([third.statusCode, fourth.statusCode], [200, 200]);
  });

  it("take no place and read nothing for HEAD", async () => {
    const headers = { authorization: `Bearer ${tokens.reader}` };
    const head = (query = "", token = headers): Promise<{ statusCode: number; headers: object; body: string }> =>
      app.main.inject({ method: "HEAD", url: `/v1/events/export${query}`, headers: token });
    // Both slots are taken.
    const answer = await head();
    assert.deepEqual([answer.statusCode, answer.body], [200, ""]);
    const { "content-type": type, "content-length": length } = answer.headers as Record<string, string>;
    assert.deepEqual([type, length], ["application/x-ndjson", undefined]);
    assert.equal((await head("?from=yesterday")).statusCode, 400);
    assert.equal((await head("", { authorization: "Bearer nobody" })).statusCode, 401);
  });

  it("give their place back when the client of several requests has gone before the answer", async () => {
    for (const answer of open.splice(0)) answer.destroy();
    await until(async () => (await get(app.main, "/v1/events/export?actor=nobody")).statusCode === 200, 5_000);
    const { port } = app.main.server.address() as AddressInfo;
    const blocker = new pg.Client({ connectionString: withDatabase(database.server.url, database.name) });
    await blocker.connect();
    const ask = (path: string): string =>
      `GET ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${tokens.reader}\r\n\r\n`;
    for (let i = 0; i < 2; i++) {
      await blocker.query("BEGIN; LOCK TABLE audit.events IN ACCESS EXCLUSIVE MODE");
      const socket = connect(port, "127.0.0.1").on("error", () => undefined);
      socket.write(ask("/v1/events") + ask("/v1/events/export"));
      await pause(300);
      socket.destroy();
      await pause(100);
      await blocker.query("ROLLBACK");
      await pause(300);
    }
    await blocker.end();
    assert.equal((await get(app.main, "/v1/events/export?actor=nobody")).statusCode, 200);
  });

  it("give their place back when nothing could be read", async () => {
    for (const answer of open) answer.destroy();
    for (let i = 0; i < 3; i++) assert.equal((await get(app.main, "/v1/events/export?from=yesterday")).statusCode, 400);
    await until(async () => (await get(app.main, "/v1/events/export?actor=nobody")).statusCode === 200, 5_000);
  });
});
