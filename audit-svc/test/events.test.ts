import assert from "node:assert/strict";
import { createHash, randomUUID } from "node:crypto";
import type { App } from "../src/app.js";
import { type TestDatabase, createDatabase } from "./support/database.js";
import { event, get, post } from "./support/events.js";
import { type ConfigFile, configContent, startApp, tokens } from "./support/service.js";

interface Answer {
  ids: string[];
  error: string;
  details?: { index: number; field: string; message: string }[];
}

describe("POST /v1/events", function () {
  this.timeout(60_000);
  let database: TestDatabase;
  let app: App;
  let stop: () => Promise<void>;
  before(async () => {
    database = await createDatabase();
    ({ app, stop } = await startApp(database.runtime, { batchEvents: 50, dataBytes: 200, bodyBytes: 20_000 }));
  });
  after(async () => {
    await stop();
    await database.drop();
  });
  const row = async (id: string): Promise<Record<string, unknown> | undefined> =>
    (await database.query("SELECT * FROM audit.events WHERE id = $1", [id]))[0];

  it("stores one event and answers its id", async () => {
    const sent = event({
      occurredAt: "2026-01-31T12:00:00.123456+02:00",
      data: { a: [1, { b: null }], ключ: '"\\{}\t' },
    });
    const answer = await post(app.main, sent);
    assert.equal(answer.statusCode, 201);
    assert.deepEqual(answer.json(), { ids: [sent.id] });
    const stored = await row(sent.id);
    assert.deepEqual(stored?.data, sent.data);
    assert.equal((stored?.occurred_at as Date).toISOString(), "2026-01-31T10:00:00.123Z");
    assert.equal(stored?.actor, sent.actor);
  });

  it("gives data back as it was sent, whatever its keys are", async () => {
    const data = { "a\nb": 1, "c\r\u2028d\u2029": { "\n": [] }, "": 0, toJSON: "x", __proto__x: null, constructor: 1 };
    const sent = event({ application: "keys", data });
    assert.equal((await post(app.main, sent)).statusCode, 201);
    const list = await get(app.main, "/v1/events?application=keys");
    assert.deepEqual(list.json<{ events: { data: object }[] }>().events[0]?.data, data);
    const line = (await get(app.main, "/v1/events/export?application=keys")).body;
    assert.deepEqual((JSON.parse(line) as { data: object }).data, data);
  });

  it("makes a UUIDv7 when there is no id, and an empty object when there is no data", async () => {
    const answer = await post(app.main, event({ id: undefined, data: undefined }));
    assert.equal(answer.statusCode, 201);
    const [id = ""] = answer.json<Answer>().ids;
    assert.equal(id[14], "7");
    assert.deepEqual((await row(id))?.data, {});
  });

  it("stores an array and answers the ids in order", async () => {
    const batch = Array.from({ length: 50 }, () => event());
    const answer = await post(app.main, batch);
    assert.equal(answer.statusCode, 201);
    assert.deepEqual(
      answer.json<Answer>().ids,
      batch.map((e) => e.id),
    );
    const stored = await database.stored();
    for (const { id } of batch) assert.equal(stored.get(id), 1);
  });

  it("stores NDJSON, empty lines and CRLF included", async () => {
    const batch = [event(), event(), event()];
    const body = `\n${batch.map((e) => JSON.stringify(e)).join("\r\n\n")}\n`;
    const answer = await post(app.main, body, { type: "application/x-ndjson; charset=utf-8" });
    assert.deepEqual([answer.statusCode, answer.json<Answer>().ids], [201, batch.map((e) => e.id)]);
  });

  it("stores one id once and answers the same, one after another, at once, and within a batch", async () => {
    const sent = event({ data: { a: 1, b: 2 } });
    const other = { ...sent, id: sent.id.toUpperCase(), data: { b: 2.0, a: 1 } };
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, i) => post(app.main, i % 2 === 0 ? sent : [other, sent])),
    );
    answers.push(await post(app.main, sent), await post(app.main, other));
    for (const answer of answers) {
      assert.equal(answer.statusCode, 201, answer.body);
      assert.equal(new Set([...answer.json<Answer>().ids, sent.id]).size, 1);
    }
    assert.equal((await database.stored()).get(sent.id), 1);
  });

  for (const [what, make] of [
    ["UUIDv7", () => event().id],
    ["UUIDv4", () => randomUUID()],
  ] as const) {
    for (const [field, value] of Object.entries({
      actor: "boris",
      occurredAt: "2026-02-01T00:00:00Z",
      data: { amount: 13 },
      outcome: "error",
    })) {
      it(`answers 409 to a ${what} that is stored with another ${field}`, async () => {
        const sent = event({ id: make() });
        assert.equal((await post(app.main, sent)).statusCode, 201);
        const answer = await post(app.main, [event(), { ...sent, [field]: value }]);
        assert.equal(answer.statusCode, 409);
        assert.deepEqual(answer.json<Answer>().details, [
          { index: 1, field: "id", message: "is already stored with other content" },
        ]);
        assert.deepEqual((await row(sent.id))?.data, sent.data);
      });
    }
  }

  it("lets exactly one content win an id that is sent with many at once", async () => {
    const id = randomUUID();
    const answers = await Promise.all(
      Array.from({ length: 30 }, (_, i) =>
        post(app.main, event({ id, actor: `actor ${i}`, occurredAt: `2026-01-${10 + (i % 15)}T00:00:00Z` })),
      ),
    );
    const codes = answers.map((a) => a.statusCode);
    assert.equal(codes.filter((c) => c === 201).length, 1, codes.join());
    assert.equal(codes.filter((c) => c === 409).length, 29, codes.join());
    assert.equal((await database.stored()).get(id), 1);
    const winner = codes.indexOf(201);
    assert.equal((await row(id))?.actor, `actor ${winner}`);
  });

  it("keeps the ids of one application from those of another: neither taken, nor asked for, nor a conflict", async () => {
    for (const id of [event().id, randomUUID()]) {
      const [billing, crm] = ["billing", "crm"].map((application) => event({ id, application, occurredAt: "2026-03-01T00:00:00Z" })); // prettier-ignore
      assert.equal((await post(app.main, { ...crm, actor: "eve" })).statusCode, 201);
      const both = await post(app.main, [billing, { ...crm, actor: "eve" }, billing]);
      assert.deepEqual([both.statusCode, both.json<Answer>().ids], [201, [id, id, id]]);
      assert.equal((await post(app.main, billing)).statusCode, 201);
      const conflict = await post(app.main, [billing, crm]);
      assert.deepEqual([conflict.statusCode, conflict.json<Answer>().details?.map(({ index }) => index)], [409, [1]]);
      assert.equal((await database.stored()).get(id), 2);
    }
    const applications: string[] = [];
    for (let next: string | null = ""; next !== null;) {
      const page = await get(app.main, `/v1/events?limit=1&from=2026-03-01T00:00:00Z&to=2026-03-01T00:00:01Z${next === "" ? "" : `&cursor=${next}`}`); // prettier-ignore
      const body = page.json<{ events: { application: string }[]; next: string | null }>();
      applications.push(...body.events.map(({ application }) => application));
      next = body.next;
    }
    assert.deepEqual(applications, ["crm", "billing", "crm", "billing"]);
  });

  it("stores nothing of a batch with a conflict, and everything of the requests grouped with it", async () => {
    const taken = event();
    await post(app.main, taken);
    const [bystander, mate] = [event(), event()];
    const [bad, good] = await Promise.all([
      post(app.main, [mate, { ...taken, actor: "eve" }]),
      post(app.main, bystander),
    ]);
    assert.deepEqual([bad.statusCode, good.statusCode], [409, 201]);
    assert.equal(await row(mate.id), undefined);
    assert.notEqual(await row(bystander.id), undefined);
    assert.deepEqual(await database.query("SELECT id FROM audit.ids WHERE id = $1", [mate.id]), []);
  });

  it("answers 409 when a batch has one id with two contents", async () => {
    const sent = event();
    const answer = await post(app.main, [sent, event(), { ...sent, actor: "eve" }]);
    assert.equal(answer.statusCode, 409);
    assert.deepEqual(answer.json<Answer>().details, [
      { index: 2, field: "id", message: "is the id of another event of this batch with other content" },
    ]);
    assert.equal(await row(sent.id), undefined);
  });

  it("stores nothing of a batch with an invalid event, and names index and field", async () => {
    const good = event();
    const answer = await post(app.main, [good, event({ actor: "" }), event({ outcome: "maybe", extra: 1 })]);
    assert.equal(answer.statusCode, 400);
    assert.deepEqual(answer.json<Answer>().details, [
      { index: 1, field: "actor", message: "must not have fewer than 1 characters" },
      { index: 2, field: "extra", message: "there is no such field" },
      { index: 2, field: "outcome", message: "must be one of success, failure, denied, error" },
    ]);
    assert.equal(await row(good.id), undefined);
  });

  it("has limits that are those of the configuration", async () => {
    const codes = async (body: unknown): Promise<number> => (await post(app.main, body)).statusCode;
    assert.equal(await codes(Array.from({ length: 51 }, () => event({ data: {} }))), 413);
    assert.equal(await codes(event({ data: { a: "x".repeat(192) } })), 201);
    assert.equal(await codes(event({ data: { a: "x".repeat(193) } })), 400);
    assert.equal(await codes(event({ data: { a: "я".repeat(97) } })), 400);
    assert.equal(await codes(JSON.stringify(event()).padEnd(20_000)), 201);
    assert.equal(await codes(JSON.stringify(event()).padEnd(20_001)), 413);
    assert.equal(await codes(event({ occurredAt: new Date(Date.now() + 290_000).toISOString() })), 201);
    assert.equal(await codes(event({ occurredAt: new Date(Date.now() + 310_000).toISOString() })), 400);
  });

  it("stores what happened long ago, and at the edges of months", async () => {
    for (const occurredAt of [
      "1970-01-02T00:00:00Z",
      "1999-12-31T23:59:59.999999Z",
      "2026-10-31T23:59:59.999999Z",
      "2026-11-01T00:00:00Z",
    ]) {
      assert.equal((await post(app.main, event({ occurredAt, id: randomUUID() }))).statusCode, 201, occurredAt);
    }
  });
});

describe("access", function () {
  this.timeout(60_000);
  let database: TestDatabase;
  let app: App;
  let file: ConfigFile;
  let stop: () => Promise<void>;
  before(async () => {
    database = await createDatabase();
    ({ app, file, stop } = await startApp(database.runtime));
  });
  after(async () => {
    await stop();
    await database.drop();
  });

  it("lets nobody in without a token", async () => {
    for (const authorization of [undefined, "Bearer wrong", "Basic d3JpdGVy", ""]) {
      for (const [method, url] of [
        ["POST", "/v1/events"],
        ["GET", "/v1/events"],
        ["GET", "/v1/events/export"],
        ["GET", "/v1/access"],
      ] as const) {
        const answer = await app.main.inject({
          method,
          url,
          headers: authorization === undefined ? {} : { authorization },
        });
        assert.equal(answer.statusCode, 401, `${method} ${url}`);
        assert.equal(answer.headers["www-authenticate"], 'Bearer realm="audit"');
      }
    }
  });

  it("says of each token that is known that it is", async () => {
    for (const token of [tokens.writer, tokens.anyWriter, tokens.reader]) {
      const answer = await get(app.main, "/v1/access", token);
      assert.deepEqual([answer.statusCode, answer.body], [204, ""]);
    }
  });

  it("keeps writers from reading and readers from writing", async () => {
    assert.equal((await post(app.main, event(), { token: tokens.reader })).statusCode, 403);
    assert.equal((await get(app.main, "/v1/events", tokens.writer)).statusCode, 403);
    assert.equal((await get(app.main, "/v1/events/export", tokens.anyWriter)).statusCode, 403);
  });

  it("keeps a writer to its own application", async () => {
    assert.equal((await post(app.main, event(), { token: tokens.writer })).statusCode, 201);
    const answer = await post(app.main, [event(), event({ application: "identity" })], { token: tokens.writer });
    assert.equal(answer.statusCode, 403);
    assert.deepEqual(answer.json<Answer>().details, [
      { index: 1, field: "application", message: "is not this token's application" },
    ]);
    assert.equal((await database.query("SELECT 1 FROM audit.events WHERE application <> 'billing'")).length, 0);
  });

  it("keeps a reader with an application to it", async () => {
    await post(app.main, event({ application: "identity" }));
    const names = async (url: string, token: string): Promise<string[]> =>
      [
        ...new Set(
          (await get(app.main, url, token))
            .json<{ events: { application: string }[] }>()
            .events.map((e) => e.application),
        ),
      ].sort();
    assert.deepEqual(await names("/v1/events", tokens.reader), ["billing", "identity"]);
    assert.deepEqual(await names("/v1/events", tokens.billingReader), ["billing"]);
    assert.deepEqual(await names("/v1/events?application=identity", tokens.billingReader), []);
    const exported = (await get(app.main, "/v1/events/export", tokens.billingReader)).body;
    assert.match(exported, /"billing"/);
    assert.doesNotMatch(exported, /"identity"/);
    assert.equal((await get(app.main, "/v1/events/export?application=identity", tokens.billingReader)).body, "");
  });

  it("keeps it there on every page, even with a cursor from a reader of everything", async () => {
    for (let i = 0; i < 3; i++) {
      await post(app.main, event());
      await post(app.main, event({ application: "identity" }));
    }
    interface Page {
      events: { application: string }[];
      next: string | null;
    }
    const page = async (query: string, token: string): Promise<Page> =>
      (await get(app.main, `/v1/events?limit=1${query}`, token)).json<Page>();
    const all = await page("", tokens.reader);
    const seen: string[] = [];
    for (let next = all.next; next !== null;) {
      const { events, next: more } = await page(`&cursor=${encodeURIComponent(next)}`, tokens.billingReader);
      seen.push(...events.map(({ application }) => application));
      next = more;
    }
    assert.ok(seen.length >= 2);
    assert.deepEqual([...new Set(seen)], ["billing"]);
    for (const query of ["application=identity", "application=Billing", "application="])
      assert.deepEqual((await page(`&${query}`, tokens.billingReader)).events, [], query);
  });

  it("says so in the contract that it publishes", async () => {
    const { paths } = (await app.main.inject({ method: "GET", url: "/openapi.json" })).json<{
      paths: Record<string, { get: { description?: string } }>;
    }>();
    for (const path of ["/v1/events", "/v1/events/export"])
      assert.match(paths[path]?.get.description ?? "", /that application's events alone/);
  });

  it("accepts two tokens of one holder during a rotation, until the former is removed", async () => {
    const content = configContent(database.runtime);
    const all = content.tokens as { name: string; role: string; application?: string; sha256: string }[];
    const writer = all.find(({ name }) => name === "writer");
    const next = { ...writer, sha256: createHash("sha256").update("the-next-one").digest("hex") };
    const codes = async (): Promise<number[]> =>
      Promise.all(
        [tokens.writer, "the-next-one"].map(async (token) => (await post(app.main, event(), { token })).statusCode),
      );
    const reload = async (list: object[]): Promise<void> => {
      file.write({ ...content, tokens: list });
      assert.equal((await app.configReloader.reload()).result, "applied");
    };
    await reload([...all, next]);
    assert.deepEqual(await codes(), [201, 201]);
    await reload([...all.filter((token) => token !== writer), next]);
    assert.deepEqual(await codes(), [401, 201]);
    await reload(all);
    assert.deepEqual(await codes(), [201, 401]);
  });

  it("has /reload only on the admin port, and health, metrics and the contract without a token", async () => {
    assert.equal((await app.main.inject({ method: "POST", url: "/reload" })).statusCode, 404);
    assert.equal((await app.admin.inject({ method: "POST", url: "/reload" })).statusCode, 200);
    // As BusyBox's wget sends it, which is what Vault Agent's image has.
    const form = { "content-type": "application/x-www-form-urlencoded" };
    assert.equal(
      (await app.admin.inject({ method: "POST", url: "/reload", headers: form, payload: "" })).statusCode,
      200,
    );
    for (const url of ["/healthz", "/readyz", "/metrics", "/openapi.json"]) {
      assert.equal((await app.main.inject({ method: "GET", url })).statusCode, 200, url);
      assert.equal((await app.admin.inject({ method: "GET", url })).statusCode, 404, url);
    }
  });
});
