import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { get as httpGet } from "node:http";
import type { AddressInfo } from "node:net";
import { buildApp, type App } from "../src/app.js";
import { type TestDatabase, createDatabase } from "./support/database.js";
import { event, get, post } from "./support/events.js";
import { newKey, ORIGIN } from "./support/log.js";
import { pause, until } from "./support/postgres.js";
import { ConfigFile, configContent, tokens } from "./support/service.js";

type Line = Record<string, unknown>;

describe("who read the log", function () {
  this.timeout(60_000);
  let database: TestDatabase;
  let file: ConfigFile;
  let app: App;
  let lines: Line[];
  before(async () => {
    database = await createDatabase();
  });
  after(() => database.drop());
  beforeEach(() => {
    lines = [];
    file = new ConfigFile();
  });
  afterEach(async () => {
    await app.close();
    file.remove();
  });
  async function start(more: object = {}): Promise<void> {
    file.write({ ...configContent(database.runtime), ...more });
    app = await buildApp({
      configFile: file.path,
      logTo: { write: (line) => void lines.push(JSON.parse(line) as Line) },
    });
    assert.equal((await app.configReloader.reload()).result, "applied");
  }
  const linesOf = (msg: string): Line[] => lines.filter((line) => line.msg === msg);
  const own = (): Promise<Line[]> =>
    database.query(
      "SELECT actor, action, resource, outcome, data FROM audit.events WHERE application = 'audit-svc' ORDER BY recorded_at, id",
    );

  it("logs each list and export with the token's name and the request's id, without the query's values", async () => {
    await start();
    for (let i = 0; i < 3; i++) assert.equal((await post(app.main, event())).statusCode, 201);
    const list = await app.main.inject({
      url: "/v1/events?actor=anna%40example.com&limit=2",
      headers: { authorization: `Bearer ${tokens.billingReader}`, "x-request-id": "from-the-edge" },
    });
    assert.equal(list.json<{ events: object[] }>().events.length, 2);
    await get(app.main, "/v1/events/export?outcome=success");
    await get(app.main, "/v1/events?application=crm", tokens.billingReader);
    await until(() => linesOf("events read").length === 3, 5000, "three lines");
    const [first, ...others] = linesOf("events read").map(({ time: _, level: __, ...line }) => line);
    const read = { msg: "events read", complete: true };
    assert.deepEqual(first, { ...read, reqId: "from-the-edge", token: "billing reader", action: "list", filters: ["actor", "limit"], events: 2 }); // prettier-ignore
    assert.deepEqual(
      others.map(({ reqId: _, ...line }) => line).sort((a, b) => String(a.action).localeCompare(String(b.action))),
      [
        { ...read, token: "reader", action: "export", filters: ["outcome"], events: 3 },
        { ...read, token: "billing reader", action: "list", filters: ["application"], events: 0 },
      ],
    );
    assert.ok(!JSON.stringify(lines).includes("anna"));
    assert.deepEqual(await own(), [], "no event without the setting");
  });

  it("logs an export that its client aborted as not complete", async () => {
    await start();
    await database.query(
      `INSERT INTO audit.events (id, occurred_at, application, actor, action, resource, outcome, data)
       SELECT gen_random_uuid(), now(), 'big', 'a', 'b', 'c', 'success', jsonb_build_object('x', repeat('x', 16000))
       FROM generate_series(1, 3000)`,
    );
    await app.main.listen({ host: "127.0.0.1", port: 0 });
    const { port } = app.main.server.address() as AddressInfo;
    const options = {
      port,
      path: "/v1/events/export?application=big",
      headers: { authorization: `Bearer ${tokens.reader}` },
    };
    const request = httpGet(options, (response) => response.once("data", () => request.destroy()));
    request.on("error", () => undefined);
    await until(() => linesOf("events read").length === 1, 20_000, "the line");
    const [line] = linesOf("events read");
    assert.equal(line?.complete, false);
    assert.ok(Number(line.events) < 3000, String(line.events));
  });

  it("logs at most one line per second for each kind of refusal, with the token's name", async () => {
    await start();
    for (let i = 0; i < 5; i++) assert.equal((await get(app.main, "/v1/events", "nobody's")).statusCode, 401);
    assert.equal((await get(app.main, "/v1/events", tokens.writer)).statusCode, 403);
    assert.equal((await post(app.main, event({ application: "crm" }), { token: tokens.writer })).statusCode, 403);
    assert.deepEqual(
      linesOf("access refused").map(({ time: _, reqId: __, level: ___, ...line }) => line),
      [
        { msg: "access refused", method: "GET", path: "/v1/events", code: "no_token", status: 401 },
        { msg: "access refused", token: "writer", method: "GET", path: "/v1/events", code: "wrong_role", status: 403 },
        { msg: "access refused", token: "writer", method: "POST", path: "/v1/events", code: "other_application", status: 403 }, // prettier-ignore
      ],
    );
  });

  it("stores an event of the service's own with `recordReads`, before the answer", async () => {
    await start({ recordReads: true });
    await get(app.main, "/v1/events?actor=anna&limit=1");
    assert.equal((await own()).length, 1);
    await get(app.main, "/v1/events/export?application=billing", tokens.billingReader);
    assert.equal((await get(app.main, "/v1/events", "nobody's")).statusCode, 401);
    assert.equal((await get(app.main, "/v1/events/export", tokens.writer)).statusCode, 403);
    await until(async () => (await own()).length === 3, 5000, "three events");
    const events = (await own()).map(({ data, ...fields }) => {
      const { requestId, ...more } = data as { requestId: string };
      assert.match(requestId, /^[\w-]+$/);
      return { ...fields, data: more };
    });
    const what = { resource: "events", outcome: "success" };
    assert.deepEqual(events, [
      { ...what, actor: "reader", action: "events.list", data: { actor: "anna", limit: 1 } },
      { ...what, actor: "billing reader", action: "events.export", data: { application: "billing" } },
      { ...what, actor: "writer", action: "events.export", outcome: "denied", data: { reason: "wrong_role" } },
    ]);
  });

  it("records of a refusal what was asked for", async () => {
    await start({ recordReads: true, log: { origin: ORIGIN, signer: { privateKey: newKey().privateKey } } });
    await database.query("DELETE FROM audit.events WHERE application = 'audit-svc'");
    const refused = async (method: "GET" | "POST", url: string, token: string, action: string): Promise<void> => {
      const { statusCode } = await app.main.inject({ method, url, headers: { authorization: `Bearer ${token}` } });
      assert.equal(statusCode, 403, url);
      await until(async () => (await own()).some((each) => each.action === action), 5000, action);
      // At most one line a second for each token and code.
      await pause(1001);
    };
    await refused("POST", "/v1/events", tokens.reader, "events.store");
    await refused("GET", "/v1/events", tokens.writer, "events.list");
    await refused("GET", `/v1/events/${randomUUID()}/proof`, tokens.writer, "events.proof");
    await refused("GET", "/log/checkpoint", tokens.writer, "log.read");
    await refused("POST", "/log/witnessed", tokens.writer, "log.witness");
    assert.deepEqual(
      (await own()).map(({ action, resource }) => `${String(action)} ${String(resource)}`),
      ["events.store events", "events.list events", "events.proof events", "log.read log", "log.witness log"],
    );
  });

  it("returns nothing that it cannot record", async () => {
    await start({ recordReads: true, limits: { storeSeconds: 1 } });
    await database.query(`REVOKE EXECUTE ON FUNCTION audit.store FROM ${database.runtimeRole}`);
    try {
      for (const path of ["/v1/events", "/v1/events/export"]) {
        const answer = await get(app.main, path);
        assert.equal(answer.statusCode, 503, answer.body);
        assert.ok(!answer.body.includes("anna"));
      }
    } finally {
      await database.query(`GRANT EXECUTE ON FUNCTION audit.store TO ${database.runtimeRole}`);
    }
  });

  it("accepts such events from no token", async () => {
    await start();
    const forged = event({ application: "audit-svc", actor: "reader" });
    const answer = await post(app.main, [event(), forged]);
    assert.equal(answer.statusCode, 403);
    assert.deepEqual(answer.json<{ details: unknown }>().details, [
      { index: 1, field: "application", message: "must not be audit-svc" },
    ]);
  });
});
