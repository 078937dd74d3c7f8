import assert from "node:assert/strict";
import type { App } from "../src/app.js";
import { uuidv7 } from "../src/ids.js";
import { type TestDatabase, createDatabase } from "./support/database.js";
import { event, get, post } from "./support/events.js";
import { startApp } from "./support/service.js";

interface Page {
  events: { id: string; occurredAt: string; [key: string]: unknown }[];
  next: string | null;
}

describe("GET /v1/events", function () {
  this.timeout(60_000);
  let database: TestDatabase;
  let app: App;
  let stop: () => Promise<void>;
  const all: ReturnType<typeof event>[] = [];
  before(async () => {
    database = await createDatabase();
    ({ app, stop } = await startApp(database.runtime));
    // Over three months, and each tenth at the same microsecond as the one before it.
    const base = Date.UTC(2026, 0, 25);
    for (let i = 0; i < 500; i++) {
      const at = base + (i - (i % 10 === 9 ? 1 : 0)) * 3 * 3_600_000;
      all.push(
        event({
          occurredAt: `${new Date(at).toISOString().slice(0, 23)}456Z`,
          application: ["billing", "identity"][i % 2],
          actor: `actor-${i % 7}`,
          action: `action-${i % 5}`,
          outcome: ["success", "failure", "denied", "error"][i % 4],
        }),
      );
    }
    assert.equal((await post(app.main, all)).statusCode, 201);
  });
  after(async () => {
    await stop();
    await database.drop();
  });

  const sorted = (events: readonly { id: string; occurredAt: unknown }[]): string[] =>
    [...events]
      .sort((a, b) =>
        String(a.occurredAt) === String(b.occurredAt)
          ? a.id < b.id
            ? 1
            : -1
          : String(a.occurredAt) < String(b.occurredAt)
            ? 1
            : -1,
      )
      .map((e) => e.id);
  const page = async (query: string): Promise<Page> => {
    const answer = await get(app.main, `/v1/events?${query}`);
    assert.equal(answer.statusCode, 200, answer.body);
    return answer.json<Page>();
  };
  const walk = async (query: string, between: () => Promise<void> = async () => undefined): Promise<string[]> => {
    const ids: string[] = [];
    for (let next: string | null = ""; next !== null;) {
      const { events, next: following }: Page = await page(`${query}${next === "" ? "" : `&cursor=${next}`}`);
      ids.push(...events.map((e) => e.id));
      next = following;
      await between();
    }
    return ids;
  };

  it("answers events as they were sent, newest first, with when they were stored", async () => {
    const { events, next } = await page("limit=1");
    const { recordedAt, ...rest } = events[0] ?? { recordedAt: "" };
    assert.deepEqual(
      rest,
      all.find((e) => e.id === sorted(all)[0]),
    );
    assert.ok(Math.abs(Date.parse(String(recordedAt)) - Date.now()) < 60_000);
    assert.match(String(next), /^[\w-]+$/);
  });

  for (const limit of [1, 7, 100, 499, 500, 501, 1000]) {
    it(`walks through all of them ${limit} at a time`, async function () {
      if (limit === 1) {
        const few = all.filter((e) => e.application === "billing" && e.actor === "actor-3");
        return assert.deepEqual(await walk("limit=1&application=billing&actor=actor-3"), sorted(few));
      }
      assert.deepEqual(await walk(`limit=${limit}`), sorted(all));
    });
  }

  const filters: [string, (e: Record<string, unknown>) => boolean][] = [
    ["application=billing", (e) => e.application === "billing"],
    ["actor=actor-3", (e) => e.actor === "actor-3"],
    ["action=action-4", (e) => e.action === "action-4"],
    ["outcome=denied", (e) => e.outcome === "denied"],
    [
      "application=identity&actor=actor-1&action=action-2&outcome=failure",
      (e) =>
        e.application === "identity" && e.actor === "actor-1" && e.action === "action-2" && e.outcome === "failure",
    ],
    ["from=2026-02-01T00:00:00Z", (e) => String(e.occurredAt) >= "2026-02-01T00:00:00"],
    ["to=2026-02-01T00:00:00.000456Z", (e) => String(e.occurredAt) < "2026-02-01T00:00:00.000456Z"],
    [
      "from=2026-02-01T02:00:00%2B02:00&to=2026-03-01T00:00:00Z&outcome=error",
      (e) => String(e.occurredAt) >= "2026-02-01T00" && String(e.occurredAt) < "2026-03-01" && e.outcome === "error",
    ],
    ["application=nobody", () => false],
    ["from=2026-03-01T00:00:00Z&to=2026-02-01T00:00:00Z", () => false],
  ];
  for (const [query, matches] of filters) {
    it(`filters by ${query}`, async () =>
      assert.deepEqual(await walk(`limit=13&${query}`), sorted(all.filter(matches))));
  }

  it("includes from and excludes to", async () => {
    const at = String(all[0]?.occurredAt);
    assert.deepEqual(
      (await page(`from=${at}&to=${at.replace("456Z", "457Z")}`)).events.map((e) => e.id),
      [all[0]?.id],
    );
    assert.deepEqual((await page(`from=${at}&to=${at}`)).events, []);
  });

  it("is stable while events come in before, between and at the cursor's own moment", async () => {
    const extra: ReturnType<typeof event>[] = [];
    let turn = 0;
    const ids = await walk("limit=50", async () => {
      const moment = String(all[(turn++ * 41) % all.length]?.occurredAt);
      const batch = [
        event({ application: "late" }),
        event({ application: "late", occurredAt: moment }),
        event({ application: "late", occurredAt: moment, id: uuidv7(Date.UTC(2020, 0)) }),
      ];
      extra.push(...batch);
      assert.equal((await post(app.main, batch)).statusCode, 201);
    });
    assert.equal(new Set(ids).size, ids.length, "an event came twice");
    const known = new Set(all.map((e) => e.id));
    assert.deepEqual(
      ids.filter((id) => known.has(id)),
      sorted(all),
    );
    assert.deepEqual(
      await walk("limit=1000"),
      sorted([
        ...all,
        ...extra.map((e) => ({
          ...e,
          occurredAt: String(e.occurredAt).length === 24 ? String(e.occurredAt).replace("Z", "000Z") : e.occurredAt,
        })),
      ]),
    );
  });

  it("ends a page early when its events are large, and loses none", async () => {
    const large = Array.from({ length: 250 }, () => event({ application: "large", data: { a: "x".repeat(16_000) } }));
    for (let i = 0; i < 250; i += 50) assert.equal((await post(app.main, large.slice(i, i + 50))).statusCode, 201);
    const first = await page("application=large&limit=1000");
    assert.ok(first.events.length < 150, `${first.events.length} events`);
    assert.deepEqual(
      await walk("limit=1000&application=large"),
      sorted(large.map((e) => ({ ...e, occurredAt: e.occurredAt.replace("Z", "000Z") }))),
    );
    await database.query("DELETE FROM audit.events WHERE application = 'large'");
  });

  it("exports everything that matches as NDJSON, more than a page of it", async () => {
    for (let i = 0; i < 5; i++)
      assert.equal(
        (
          await post(
            app.main,
            Array.from({ length: 900 }, () => event({ application: "export", data: {} })),
          )
        ).statusCode,
        201,
      );
    const answer = await get(app.main, "/v1/events/export?application=export");
    assert.equal(answer.headers["content-type"], "application/x-ndjson");
    const lines = answer.body
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as Page["events"][number]);
    assert.equal(lines.length, 4500);
    assert.deepEqual(
      lines.map((e) => e.id),
      sorted(lines),
    );
    assert.deepEqual(Object.keys(lines[0] ?? {}).sort(), [
      "action",
      "actor",
      "application",
      "data",
      "id",
      "occurredAt",
      "outcome",
      "recordedAt",
      "resource",
    ]);
  });
});
