import assert from "node:assert/strict";
import { connect } from "node:net";
import type { App } from "../src/app.js";
import { badInputs } from "./support/bad-inputs.js";
import { badBytes, badQueries } from "./support/bad-requests.js";
import { type TestDatabase, createDatabase } from "./support/database.js";
import { event, get, post } from "./support/events.js";
import { startApp } from "./support/service.js";

describe("bad input", function () {
  this.timeout(60_000);
  let database: TestDatabase;
  let app: App;
  let stop: () => Promise<void>;
  let port: number;
  before(async () => {
    database = await createDatabase();
    ({ app, stop } = await startApp(database.runtime));
    await app.main.listen({ host: "127.0.0.1", port: 0 });
    port = (app.main.server.address() as { port: number }).port;
  });
  after(async () => {
    await stop();
    await database.drop();
  });
  const count = async (): Promise<number> =>
    Number(
      (
        await database.query<{ n: string }>(
          "SELECT (SELECT count(*) FROM audit.events) + (SELECT count(*) FROM audit.ids) AS n",
        )
      )[0]?.n,
    );

  it("of at least 300 kinds is refused with a 4xx that says why, and nothing is stored", async () => {
    const inputs = badInputs();
    assert.ok(inputs.length + badQueries.length + badBytes.length >= 300, `only ${inputs.length}`);
    const wrong: string[] = [];
    for (const { what, body, type = "application/json", headers = {} } of inputs) {
      const answer = await post(app.main, body, { type, headers });
      const text = answer.body;
      if (answer.statusCode < 400 || answer.statusCode > 499 || !text.includes('"message"'))
        wrong.push(`${what}: ${answer.statusCode} ${text.slice(0, 200)}`);
    }
    assert.deepEqual(wrong, []);
    assert.equal(await count(), 0);
  });

  it("that storing would change is refused with its path and the cure", async () => {
    const good = JSON.stringify(event());
    const amount = JSON.stringify(event({ data: "@@" })).replace(
      '"@@"',
      '{"order":{"lines":[{"amount":12345678901234.5678}]}}',
    );
    const twice = JSON.stringify(event({ data: "@@" })).replace('"@@"', '{"a b":{"c":1,"c":1}}');
    const number = {
      field: "data.order.lines[0].amount",
      message: "is a number that a double does not hold, so it would be stored changed; send it as a string",
    };
    const key = { field: 'data["a b"].c', message: "is there twice in one object; send it once" };
    const bodies = [
      [amount, { index: 0, ...number }, "application/json"],
      [`[${good},${amount}]`, { index: 1, ...number }, "application/json"],
      [`${good}\n\n${good}\n${amount}`, { index: 2, ...number }, "application/x-ndjson"],
      [`[${twice}]`, { index: 0, ...key }, "application/json"],
      [`${good}\n${twice}`, { index: 1, ...key }, "application/x-ndjson"],
    ] as const;
    for (const [body, detail, type] of bodies) {
      const answer = await post(app.main, body, { type });
      assert.equal(answer.statusCode, 400, answer.body);
      assert.deepEqual(answer.json<{ details: unknown }>().details, [detail]);
    }
    assert.equal(await count(), 0);
  });

  it("in queries is refused with a 400", async () => {
    const wrong: string[] = [];
    for (const query of badQueries) {
      const answer = await get(app.main, `/v1/events?${query}`);
      if (answer.statusCode !== 400) wrong.push(`${query}: ${answer.statusCode} ${answer.body.slice(0, 200)}`);
      if (query.startsWith("limit") || query.startsWith("cursor")) continue;
      const exported = await get(app.main, `/v1/events/export?${query}`);
      if (exported.statusCode !== 400) wrong.push(`export ${query}: ${exported.statusCode}`);
    }
    assert.deepEqual(wrong, []);
  });

  it("that is not HTTP closes its own connection and no other", async () => {
    for (const [what, bytes] of badBytes) {
      const answer = await new Promise<string>((resolve) => {
        const socket = connect(port, "127.0.0.1", () => socket.write(bytes, "latin1"));
        let text = "";
        socket.on("data", (chunk) => {
          text += chunk.toString();
          socket.end();
        });
        socket.on("error", () => undefined);
        socket.on("close", () => resolve(text));
        setTimeout(() => socket.destroy(), 3000).unref();
      });
      assert.match(answer, /^HTTP\/1\.1 4\d\d /, what);
    }
    assert.equal(await count(), 0);
  });

  it("leaves a service that stores good input", async () => {
    assert.equal((await post(app.main, event())).statusCode, 201);
    assert.equal(({} as Record<string, unknown>).admin, undefined);
    assert.equal(await count(), 2);
  });
});

describe("odd but good input", function () {
  this.timeout(60_000);
  let database: TestDatabase;
  let app: App;
  let stop: () => Promise<void>;
  before(async () => {
    database = await createDatabase();
    ({ app, stop } = await startApp(database.runtime));
  });
  after(async () => {
    await stop();
    await database.drop();
  });

  const values: [string, Record<string, unknown>][] = [
    ["an emoji", { actor: "😀", data: { "😀": "😀" } }],
    [
      "quotes, braces, backslashes and commas",
      { actor: '"{},\\', resource: "{NULL}", data: { a: '\\"{},', b: "NULL" } },
    ],
    ["the word NULL", { actor: "NULL", action: "null", application: "NULL" }],
    ["SQL", { actor: "'; DROP TABLE audit.events; --", data: { $1: "$2" } }],
    [
      "the longest texts of four-byte characters",
      { actor: "😀".repeat(256), action: "😀".repeat(128), resource: "😀".repeat(1024), application: "😀".repeat(100) },
    ],
    ["32 levels", { data: JSON.parse(`${'{"a":'.repeat(32)}1${"}".repeat(32)}`) as object }],
    ["numbers at the edge", { data: { a: 9007199254740991, b: -9007199254740991, c: 5e-324, d: 0.1, e: 1 / 3 } }],
    ["the key constructor", { data: { constructor: { prototype: { x: 1 } }, toString: 1 } }],
    ["an empty key", { data: { "": "" } }],
    ["an emoji that says how it looks", { actor: "❤\ufe0f", resource: "☎\ufe0e" }],
    ["accents apart from their letters, and scripts from right to left", { actor: "e\u0301", resource: "אבג/العربية" }],
    [
      "in data whatever a text can have",
      { data: { "\u200b": "a\u202eb\u009b\u2028\ufeff", "\u001b": ["\u0001\u007f", "\u{e0041}"] } },
    ],
    ["blanks", { actor: " ", action: "  x  " }],
  ];
  for (const [what, fields] of values) {
    it(`stores ${what} and gives it back`, async () => {
      const sent = event(fields);
      const answer = await post(app.main, sent);
      assert.equal(answer.statusCode, 201, answer.body);
      const { events } = (await get(app.main, "/v1/events?limit=1000")).json<{ events: Record<string, unknown>[] }>();
      const found = events.find((e) => e.id === sent.id);
      for (const key of ["application", "actor", "action", "resource"]) assert.equal(found?.[key], sent[key], key);
      assert.deepEqual(found?.data, JSON.parse(JSON.stringify(sent.data)));
    });
  }
});
