import assert from "node:assert/strict";
import { type TestDatabase, createDatabase } from "./support/database.js";
import { event, get, post } from "./support/events.js";
import { ConfigFile, ServiceProcess, configContent, startApp, tokens } from "./support/service.js";

interface Page {
  events: { id: string }[];
  next: string | null;
}

/** Data of 16 kB that jsonb gives back as 764 kB, each number with 326 digits. */
const BLOWN_UP = `{"a":[${Array(2330).fill("5e-324").join()}]}`;
const EVENTS = 36;

describe("events that come back much larger than they were sent", function () {
  this.timeout(120_000);
  let database: TestDatabase;
  let ids: string[];
  before(async () => {
    database = await createDatabase();
    // Every third one is small; two are larger than what is read at once.
    const rows = await database.query<{ id: string }>(
      `INSERT INTO audit.events (id, occurred_at, application, actor, action, resource, outcome, data)
         SELECT gen_random_uuid(), now() - n * interval '1 s', 'large', 'a', 'a', 'a', 'success',
                CASE WHEN n % 3 = 0 THEN '{}'::jsonb
                     WHEN n IN (10, ${EVENTS - 1}) THEN jsonb_build_array($1::jsonb, $1::jsonb, $1::jsonb)
                     ELSE $1::jsonb END
           FROM generate_series(1, ${EVENTS}) AS n
       RETURNING id`,
      [BLOWN_UP],
    );
    ids = rows.map(({ id }) => id);
  });
  after(() => database.drop());

  it("are listed and exported in order, in small chunks, with none lost", async () => {
    const { app, stop } = await startApp(database.runtime);
    for (const limit of [1, 3, 1000]) {
      const seen: string[] = [];
      for (let next: string | null = ""; next !== null;) {
        const answer = await get(app.main, `/v1/events?limit=${limit}${next === "" ? "" : `&cursor=${next}`}`);
        const page = answer.json<Page>();
        assert.ok(page.events.length > 0 && page.events.length <= limit);
        assert.ok(answer.body.length < 2_700_000, `${answer.body.length} bytes`);
        seen.push(...page.events.map(({ id }) => id));
        next = page.next;
      }
      assert.deepEqual(seen, ids, `limit=${limit}`);
    }
    const lines = (await get(app.main, "/v1/events/export")).body.trimEnd().split("\n");
    assert.deepEqual(lines.map((line) => (JSON.parse(line) as { id: string }).id), ids); // prettier-ignore
    await stop();
  });

  it("do not exhaust the image's memory, however many read them at once", async () => {
    const file = new ConfigFile();
    file.write(configContent(database.runtime));
    const service = await ServiceProcess.create(file);
    await service.start();
    const headers = { authorization: `Bearer ${tokens.reader}` };
    const lines = async (): Promise<number> => {
      const answer = await fetch(`${service.url}/v1/events/export`, { headers });
      let count = 0;
      for await (const piece of answer.body ?? [])
        for (const byte of piece as Uint8Array) if (byte === 0x0a) count += 1;
      return count;
    };
    const first = async (): Promise<number> =>
      ((await (await fetch(`${service.url}/v1/events?limit=1000`, { headers })).json()) as Page).events.length;
    const [exported, listed] = await Promise.all([
      Promise.all(Array.from({ length: 4 }, lines)),
      Promise.all(Array.from({ length: 4 }, first)),
    ]);
    assert.deepEqual(exported, Array(4).fill(EVENTS));
    assert.ok(listed.every((count) => count > 0));
    assert.equal(service.child?.exitCode, null, service.log);
    await service.end("SIGTERM");
    file.remove();
  });

  it("are refused when they are sent: dataBytes limits what is returned", async () => {
    const { app, stop } = await startApp(database.runtime);
    const send = (data: string): ReturnType<typeof post> =>
      post(app.main, JSON.stringify(event({ data: "@@" })).replace('"@@"', data));
    const answer = await send(BLOWN_UP);
    assert.equal(answer.statusCode, 400, answer.body);
    assert.deepEqual(answer.json<{ details: unknown }>().details, [
      { index: 0, field: "data", message: "must not be more than 16384 bytes of JSON, its numbers without exponents" },
    ]);
    // 50 numbers of 326 digits, the rest is 64 bytes and the text.
    for (const [data, status] of [
      [`{"a":[${Array(50).fill("5e-324").join()}],"b":"${"x".repeat(20)}"}`, 201],
      [`{"a":[${Array(50).fill("5e-324").join()}],"b":"${"x".repeat(21)}"}`, 400],
      [`{"a":[${Array(50).fill("1.5e-323").join()}],"b":"${"x".repeat(20)}"}`, 201],
      [`{"a":[${Array(50).fill("-5e-324").join()}],"b":"${"x".repeat(20)}"}`, 400],
      [JSON.stringify({ a: '\\5e-324,"'.repeat(1000) }), 201],
    ] as const) {
      const sent = await send(data);
      assert.equal(sent.statusCode, status, `${data.slice(-40)} ${sent.body}`);
    }
    await stop();
  });
});
