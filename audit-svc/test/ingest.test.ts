import assert from "node:assert/strict";
import { type Socket, connect } from "node:net";
import pg from "pg";
import type { App } from "../src/app.js";
import type { LimitsConfig } from "../src/config.js";
import { type TestDatabase, createDatabase } from "./support/database.js";
import { event, post } from "./support/events.js";
import { pause, until, withDatabase } from "./support/postgres.js";
import { startApp, tokens } from "./support/service.js";

describe("ingestion", function () {
  this.timeout(60_000);
  let database: TestDatabase;
  let app: App;
  let stop: (() => Promise<void>) | undefined;
  let blocker: pg.Client | undefined;
  before(async () => {
    database = await createDatabase();
  });
  afterEach(async () => {
    await unblock();
    await stop?.();
    stop = undefined;
  });
  after(() => database.drop());

  const start = async (limits: Partial<LimitsConfig> = {}): Promise<void> => {
    ({ app, stop } = await startApp(database.runtime, limits));
  };
  /** Holds a lock that makes every insert wait. */
  const block = async (): Promise<void> => {
    blocker = new pg.Client({ connectionString: withDatabase(database.server.url, database.name) });
    await blocker.connect();
    await blocker.query("BEGIN; LOCK TABLE audit.ids IN EXCLUSIVE MODE");
  };
  const unblock = async (): Promise<void> => {
    await blocker?.end();
    blocker = undefined;
  };
  const head = `POST /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${tokens.anyWriter}\r\nContent-Type: application/json\r\n`;
  const value = async (name: string): Promise<number> =>
    Number(new RegExp(`^${name} (.*)$`, "m").exec(await app.metrics.registry.metrics())?.[1]);

  it("groups concurrent requests into few statements", async () => {
    await start({ writers: 1 });
    const answers = await Promise.all(Array.from({ length: 500 }, () => post(app.main, event())));
    for (const answer of answers) assert.equal(answer.statusCode, 201);
    assert.equal(await value("audit_ingest_batch_size_sum"), 500);
    assert.ok(
      (await value("audit_ingest_batch_size_count")) <= 50,
      `${await value("audit_ingest_batch_size_count")} statements`,
    );
  });

  it("answers only after the commit", async () => {
    await start();
    await block();
    let answered = false;
    const sent = event();
    const answer = post(app.main, sent).finally(() => (answered = true));
    await pause(300);
    assert.equal(answered, false);
    await unblock();
    assert.equal((await answer).statusCode, 201);
    assert.equal((await database.stored()).get(sent.id), 1);
  });

  it("has a bounded queue: beyond it 503 with Retry-After, and what was accepted is stored", async () => {
    await start({ queueEvents: 100, writers: 1 });
    await block();
    const ten = (token: string): ReturnType<typeof post> =>
      post(
        app.main,
        Array.from({ length: 10 }, () => event()),
        { token },
      );
    const refuse = async (answer: ReturnType<typeof post>): Promise<void> => {
      const { statusCode, headers, body } = await answer;
      assert.equal(statusCode, 503, body);
      assert.equal(headers["retry-after"], "1");
      assert.match(body, /"error":"overloaded"/);
    };
    // One holder leaves the others a quarter, and each of them gets a part of that.
    const accepted = Array.from({ length: 7 }, () => ten(tokens.anyWriter));
    await until(() => app.ingest.depth === 70, 5000, "seven batches waiting");
    await refuse(ten(tokens.anyWriter));
    accepted.push(ten(tokens.writer), ten(tokens.writer));
    await until(() => app.ingest.depth === 90, 5000, "another holder's batches");
    for (const token of [tokens.anyWriter, tokens.writer]) await refuse(ten(token));
    assert.equal(await value("audit_ingest_queue_depth"), 90);
    await unblock();
    for (const answer of await Promise.all(accepted)) assert.equal(answer.statusCode, 201);
    assert.equal(app.ingest.depth, 0);
    assert.equal((await post(app.main, event())).statusCode, 201);
  });

  it("bounds the queue in bytes too, but lets in a batch that is alone", async () => {
    await start({ queueBytes: 1024, queueEvents: 5, writers: 1 });
    const big = Array.from({ length: 10 }, () => event({ data: { a: "x".repeat(500) } }));
    assert.equal((await post(app.main, big)).statusCode, 201);
    await block();
    const first = post(
      app.main,
      big.slice(0, 3).map((e) => event({ data: e.data })),
    );
    await until(() => app.ingest.depth === 3, 5000, "the first waiting");
    assert.equal((await post(app.main, event())).statusCode, 503);
    await unblock();
    assert.equal((await first).statusCode, 201);
    assert.equal(app.bodyMemoryLimit.held, 0);
  });

  it("finishes what is under way when it stops, an export too, and does not wait for clients to close their connections", async () => {
    await start();
    await database.query(
      `INSERT INTO audit.events (id, occurred_at, application, actor, action, resource, outcome, data)
       SELECT gen_random_uuid(), now(), 'billing', 'a', 'b', 'c', 'success', jsonb_build_object('x', repeat('x', 16000))
       FROM generate_series(1, 2000)`,
    );
    const { main } = app;
    await main.listen({ host: "127.0.0.1", port: 0 });
    const { port } = main.server.address() as { port: number };
    const client = (request: string): { socket: Socket; answer: Promise<string> } => {
      const socket = connect(port, "127.0.0.1");
      const chunks: Buffer[] = [];
      socket.on("data", (chunk) => chunks.push(chunk));
      const answer = new Promise<string>((resolve) =>
        socket.on("close", () => resolve(Buffer.concat(chunks).toString())),
      );
      socket.write(request);
      return { socket, answer };
    };
    const head = (method: string, token: string): string => `${method} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\n`; // prettier-ignore
    const exporting = client(`${head("GET /v1/events/export", tokens.reader)}\r\n`);
    await new Promise((resolve) => exporting.socket.once("data", resolve));
    // The client pauses, so that the export is still running when the stop begins.
    exporting.socket.pause();
    await block();
    const body = JSON.stringify(event());
    const storing = client(`${head("POST /v1/events", tokens.anyWriter)}Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`); // prettier-ignore
    await until(() => app.ingest.depth === 1, 5000, "the event waiting");
    const closed = stop?.();
    stop = undefined;
    await unblock();
    assert.match(await storing.answer, /^HTTP\/1\.1 201 [^]*\r\nconnection: close\r\n/i);
    exporting.socket.resume();
    const lines = (await exporting.answer).match(/^\{"id".*\}$/gm);
    assert.ok((lines?.length ?? 0) >= 2000, `${lines?.length} lines of the export`);
    await closed;
  });

  it("refuses what comes half a second after its stop began: 503 with Retry-After, not ready, and the connection is closed", async () => {
    await start();
    const { main } = app;
    const received: { bytesRead: number }[] = [];
    main.server.on("connection", (socket) => received.push(socket));
    await main.listen({ host: "127.0.0.1", port: 0 });
    const { port } = main.server.address() as { port: number };
    // Begun before the stop, so that their connections are not idle; incomplete, so that they are answered after it.
    const heads = [
      `POST /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${tokens.anyWriter}\r\n`,
      `GET /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${tokens.reader}\r\n`,
      "GET /readyz HTTP/1.1\r\nHost: x\r\n",
    ];
    const clients = heads.map((head) => {
      const socket = connect(port, "127.0.0.1");
      let text = "";
      socket.on("data", (chunk) => (text += chunk.toString()));
      const answer = new Promise<string>((resolve) => socket.on("close", () => resolve(text)));
      socket.write(head);
      return { socket, answer };
    });
    const sent = heads.reduce((sum, head) => sum + head.length, 0);
    await until(() => received.reduce((sum, { bytesRead }) => sum + bytesRead, 0) === sent, 5000, "the three heads");
    const closed = stop?.();
    stop = undefined;
    // Until then requests are served, because they may have been on their way when the stop began.
    await pause(800);
    for (const { socket } of clients) socket.write("Content-Length: 0\r\nContent-Type: application/json\r\n\r\n");
    const answers = await Promise.all(clients.map(({ answer }) => answer));
    for (const text of answers) {
      assert.match(text, /^HTTP\/1\.1 503 /);
      assert.match(text, /\r\nconnection: close\r\n/i);
    }
    for (const text of answers.slice(0, 2)) {
      assert.match(text, /\r\nretry-after: 1\r\n/i);
      assert.match(text, /"error":"stopping"/);
    }
    assert.match(answers[2] ?? "", /"reason":"stopping"/);
    await closed;
  });

  it("releases the memory of aborted and refused bodies", async () => {
    await start({ bodyBytes: 2000, queueBytes: 50_000 });
    await app.main.listen({ host: "127.0.0.1", port: 0 });
    const { port } = app.main.server.address() as { port: number };
    const sockets = Array.from({ length: 10 }, () => connect(port, "127.0.0.1").on("error", () => undefined));
    for (const socket of sockets) socket.write(`${head}Content-Length: 1900\r\n\r\n${" ".repeat(1000)}`);
    await until(() => app.bodyMemoryLimit.held === 10_000, 5000, "ten halves of bodies");
    for (const socket of sockets) socket.destroy();
    await until(() => app.bodyMemoryLimit.held === 0, 5000, "no body in memory");
    assert.equal((await post(app.main, " ".repeat(1999))).statusCode, 400);
    assert.equal((await post(app.main, " ".repeat(3000))).statusCode, 413);
    await until(() => app.bodyMemoryLimit.held === 0, 5000, "no body in memory again");
  });

  it("counts the bodies of clients that have gone until their events are stored", async () => {
    await start({ writers: 1, queueBytes: 50_000 });
    await app.main.listen({ host: "127.0.0.1", port: 0 });
    await block();
    const { port } = app.main.server.address() as { port: number };
    const body = JSON.stringify(event({ data: { a: "x".repeat(9000) } }));
    const socket = connect(port, "127.0.0.1");
    socket.write(`${head}Content-Length: ${body.length}\r\n\r\n${body}`);
    await until(() => app.ingest.depth === 1, 5000, "the event waiting");
    socket.destroy();
    await pause(300);
    assert.equal(app.bodyMemoryLimit.held, body.length);
    await unblock();
    await until(() => app.bodyMemoryLimit.held === 0, 5000, "no body in memory");
  });

  it("releases the memory of requests behind another on a connection that has gone", async () => {
    await start({ writers: 1 });
    await app.main.listen({ host: "127.0.0.1", port: 0 });
    await block();
    const { port } = app.main.server.address() as { port: number };
    const body = JSON.stringify(event({ id: undefined, data: { a: "x".repeat(9000) } }));
    const socket = connect(port, "127.0.0.1");
    socket.write(`${head}Content-Length: ${body.length}\r\n\r\n${body}`.repeat(10));
    await until(() => app.ingest.depth === 10, 5000, "the events waiting");
    socket.destroy();
    await unblock();
    await until(() => app.ingest.depth === 0, 5000, "all stored");
    await until(() => app.bodyMemoryLimit.held === 0, 5000, "no body in memory");
  });

  it("answers 503 after storeSeconds when the database does not answer, also to queued requests", async () => {
    await start({ storeSeconds: 1, writers: 1, groupEvents: 1 });
    await block();
    const began = Date.now();
    const answers = await Promise.all(Array.from({ length: 5 }, () => post(app.main, event())));
    assert.deepEqual([...new Set(answers.map((a) => a.statusCode))], [503]);
    assert.equal(answers[0]?.headers["retry-after"], "1");
    assert.ok(Date.now() - began < 6000, `${Date.now() - began} ms`);
    await unblock();
    assert.equal((await post(app.main, event())).statusCode, 201);
  });

  it("tries again on another connection when its own is cut", async () => {
    await start({ writers: 1 });
    await post(app.main, event());
    await block();
    const sent = event();
    const answer = post(app.main, sent);
    await until(
      async () =>
        (
          await database.query("SELECT 1 FROM pg_stat_activity WHERE usename = $1 AND wait_event_type = 'Lock'", [
            database.runtime.user,
          ])
        ).length === 1,
      5000,
      "the insert waiting",
    );
    await database.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1", [
      database.runtime.user,
    ]);
    await unblock();
    assert.equal((await answer).statusCode, 201);
    assert.equal((await database.stored()).get(sent.id), 1);
    assert.ok((await value('audit_db_errors_total\\{kind="connection"\\}')) >= 1);
  });

  it("finishes what it accepted when it is stopped, and accepts nothing new", async () => {
    await start({ writers: 1 });
    await block();
    const sent = Array.from({ length: 20 }, () => event());
    const answers = sent.map((one) => post(app.main, one));
    await until(() => app.ingest.depth === 20, 5000, "the queue");
    let closed = false;
    const closing = stop?.().finally(() => (closed = true));
    stop = undefined;
    await pause(200);
    assert.equal(closed, false);
    await unblock();
    for (const answer of await Promise.all(answers)) assert.equal(answer.statusCode, 201);
    await closing;
    const stored = await database.stored();
    assert.deepEqual(
      sent.filter((one) => stored.get(one.id) !== 1),
      [],
    );
  });

  it("fails only the request whose values the database cannot store", async () => {
    await start({ writers: 1 });
    // A constraint simulates a value that validation accepts but the database refuses.
    await database.query(
      "ALTER TABLE audit.events ADD CONSTRAINT no_eve CHECK (actor <> 'eve' OR 1 / (length(actor) - 3) > 0)",
    );
    await block();
    const first = post(app.main, event());
    await until(() => app.ingest.depth === 1, 5000, "the first");
    const rest = [event(), event({ actor: "eve" }), event()].map((one) => post(app.main, one));
    await until(() => app.ingest.depth === 4, 5000, "the group");
    await unblock();
    assert.deepEqual(
      (await Promise.all([first, ...rest])).map((a) => a.statusCode),
      [201, 201, 400, 201],
    );
    await database.query("ALTER TABLE audit.events DROP CONSTRAINT no_eve");
  });
});
