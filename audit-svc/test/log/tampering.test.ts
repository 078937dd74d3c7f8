import assert from "node:assert/strict";
import type { Verdict } from "../../src/log/verify.js";
import { type TestDatabase, createDatabase } from "../support/database.js";
import { event, post } from "../support/events.js";
import { LoggingService } from "../support/log.js";
import { until } from "../support/postgres.js";

const EVENTS = 1000;

describe("a log that was tampered with", function () {
  this.timeout(120_000);
  let database: TestDatabase;
  let service: LoggingService;
  let events: ReturnType<typeof event>[];
  before(async () => {
    database = await createDatabase();
    service = await LoggingService.start(database.runtime);
    events = Array.from({ length: EVENTS }, (_, i) =>
      event({ actor: `actor-${i}`, data: { i, text: `é\u007f"\\${i}`, list: [1.5, null, { b: 1, a: true }] } }),
    );
    for (let i = 0; i < EVENTS; i += 100)
      assert.equal((await post(service.app.main, events.slice(i, i + 100))).statusCode, 201);
    await service.covers(EVENTS);
  });
  after(async () => {
    await service.stop();
    await database.drop();
  });

  /** Does something as the superuser, verifies, and undoes it. */
  async function tampered(sql: string, undo: string): Promise<Verdict> {
    await database.query("ALTER TABLE audit.events DISABLE TRIGGER ALL");
    await database.query(sql);
    try {
      return await service.verify();
    } finally {
      await database.query(undo);
    }
  }
  /** The id of the event at a position; the positions are in the order of sending. */
  const id = (position: number): string => events[position]?.id ?? "";

  it("is whole before", async () => {
    const verdict = await service.verify();
    assert.deepEqual(verdict.findings, []);
    assert.deepEqual(
      [verdict.whole, verdict.size, verdict.events, verdict.dropped, verdict.uncovered],
      [true, EVENTS, EVENTS, 0, 0],
    );
  });

  /** An id with another last digit. */
  const other = (given: string): string => given.slice(0, -1) + (given.endsWith("f") ? "0" : "f");
  const changes: [string, string][] = [
    ["id", "overlay(id::text placing CASE WHEN id::text LIKE '%f' THEN '0' ELSE 'f' END from 36)::uuid"],
    ["occurred_at", "occurred_at + interval '1 microsecond'"],
    ["recorded_at", "recorded_at + interval '1 microsecond'"],
    ["application", "'Billing'"],
    ["actor", "actor || ' '"],
    ["action", "'payment.creatf'"],
    ["resource", "'payment/2'"],
    ["outcome", "'denied'"],
    ["data", "jsonb_set(data, '{list,0}', '1.50')"],
    ["salt", "gen_random_uuid()"],
  ];
  for (const [column, value] of changes)
    it(`shows one byte of ${column} changed, and names the event`, async () => {
      await database.query(`CREATE TABLE IF NOT EXISTS audit.kept AS SELECT * FROM audit.events WHERE id = '${id(500)}'`);
      const { findings, count } = await tampered(
        `UPDATE audit.events SET ${column} = ${value} WHERE id = '${id(500)}'`,
        `DELETE FROM audit.events WHERE seq = (SELECT seq FROM audit.kept); INSERT INTO audit.events SELECT * FROM audit.kept; DROP TABLE audit.kept`,
      );
      assert.equal(count, 1, JSON.stringify(findings));
      const changed = column === "id" ? other(id(500)) : id(500);
      assert.deepEqual([findings[0]?.what, findings[0]?.id, findings[0]?.position], ["changed", changed, 500]);
    }); // prettier-ignore

  const keep = "CREATE TABLE audit.kept AS SELECT * FROM audit.events";
  const restore = "INSERT INTO audit.events SELECT * FROM audit.kept; DROP TABLE audit.kept";

  it("shows a deleted event by its neighbours", async () => {
    const { findings } = await tampered(`${keep} WHERE id = '${id(123)}'; DELETE FROM audit.events WHERE id = '${id(123)}'`, restore); // prettier-ignore
    assert.deepEqual(findings.map(({ what, position }) => [what, position]), [["deleted", 123]]); // prettier-ignore
    assert.match(
      findings[0]?.message ?? "",
      new RegExp(`${id(122)} of billing before it, ${id(124)} of billing after`),
    );
  });

  it("shows that the newest event was deleted", async () => {
    const last = EVENTS - 1;
    const { findings } = await tampered(`${keep} WHERE id = '${id(last)}'; DELETE FROM audit.events WHERE id = '${id(last)}'`, restore); // prettier-ignore
    assert.deepEqual(findings.map(({ what, position }) => [what, position]), [["deleted", last]]); // prettier-ignore
    assert.match(findings[0]?.message ?? "", /none after it$/);
  });

  it("shows the newest event changed", async () => {
    const last = EVENTS - 1;
    const { findings } = await tampered(
      `UPDATE audit.events SET actor = 'eve' WHERE id = '${id(last)}'`,
      `UPDATE audit.events SET actor = 'actor-${last}' WHERE id = '${id(last)}'`,
    );
    assert.deepEqual(findings.map(({ what, id }) => [what, id]), [["changed", id(last)]]); // prettier-ignore
  });

  it("shows neighbours changed, each with its own entry", async () => {
    const change = (value: string) => `UPDATE audit.events SET outcome = '${value}' WHERE id IN ('${id(40)}', '${id(41)}')`;
    const { findings } = await tampered(change("denied"), change("success"));
    assert.deepEqual(findings.map(({ id, position }) => [id, position]).sort(), [[id(40), 40], [id(41), 41]].sort());
  }); // prettier-ignore

  it("shows two events swapped", async () => {
    const swap = `UPDATE audit.events e SET actor = o.actor, data = o.data FROM audit.events o
      WHERE e.id IN ('${id(10)}', '${id(20)}') AND o.id IN ('${id(10)}', '${id(20)}') AND e.id <> o.id`;
    const { findings } = await tampered(swap, swap);
    assert.deepEqual(findings.map(({ what, id }) => [what, id]).sort(), [["changed", id(10)], ["changed", id(20)]].sort()); // prettier-ignore
  });

  it("shows an event that was inserted with a place in the past", async () => {
    const { findings } = await tampered(
      `INSERT INTO audit.events SELECT gen_random_uuid(), occurred_at, recorded_at, 'crm', 'eve', action, resource, outcome, data, salt, seq FROM audit.events WHERE id = '${id(300)}'`,
      "DELETE FROM audit.events WHERE application = 'crm'",
    );
    assert.deepEqual(findings.map(({ what, application }) => [what, application]), [["inserted", "crm"]]); // prettier-ignore
  });

  it("shows a dropped partition", async () => {
    const { findings } = await tampered(`${keep}; DELETE FROM audit.events`, restore);
    assert.deepEqual(findings.map(({ what }) => what), ["dropped"]); // prettier-ignore
    assert.match(findings[0]?.message ?? "", /^all 1000 events of \d{4}-\d\d are missing/);
  });

  it("shows entries of the log that were changed, and where", async () => {
    const { findings } = await tampered(
      `CREATE TABLE audit.kept AS SELECT * FROM audit.log_entries; UPDATE audit.log_entries SET entries = set_byte(entries, 40, get_byte(entries, 40) # 1) WHERE bundle = 1`,
      `UPDATE audit.log_entries SET entries = k.entries FROM audit.kept k WHERE log_entries.bundle = k.bundle; DROP TABLE audit.kept`,
    );
    assert.deepEqual(findings.map(({ what }) => what), ["other-root", "changed"]); // prettier-ignore
    assert.match(findings.find(({ what }) => what === "other-root")?.message ?? "", /the first that differ are 256 to 511/); // prettier-ignore
  });

  it("shows events that were inserted by SQL and claim to be old, and a clock that was set back once", async () => {
    const { size } = await service.verify();
    await database.query(
      `INSERT INTO audit.events (id, occurred_at, recorded_at, application, actor, action, resource, outcome, data)
         SELECT gen_random_uuid(), occurred_at, recorded_at - days * interval '1 day', 'crm', actor, action, resource, outcome, data
           FROM audit.events, unnest(ARRAY[1, 1, 1, 5]) WITH ORDINALITY AS back (days, place) WHERE id = '${id(300)}' ORDER BY place`,
    );
    await service.covers(size + 4);
    const { findings } = await service.verify();
    assert.deepEqual(findings.map(({ what, position }) => [what, position]), [["backdated", size], ["backdated", size + 3]]); // prettier-ignore
    assert.deepEqual(
      findings.map(({ message }) => /; so do the entries up to \d+/.exec(message)?.[0]),
      [`; so do the entries up to ${size + 2}`, undefined],
    );
  });

  it("shows that an older backup was restored, by an earlier checkpoint", async () => {
    const since = await (await service.get("/log/checkpoint")).text();
    // As a backup from before the newest events would be.
    const back = `DELETE FROM audit.events WHERE seq > (SELECT seq FROM audit.events ORDER BY seq OFFSET 899 LIMIT 1); DELETE FROM audit.log_checkpoints; DELETE FROM audit.log_entries WHERE bundle >= 3; DELETE FROM audit.log_hashes WHERE n >= 3;
      UPDATE audit.log_state SET size = 768, last_seq = (SELECT max(last_seq) FROM audit.log_entries), partial = '', partial_seq = NULL, settled = last_seq, candidate = NULL`;
    await database.query(`BEGIN; ${back}; COMMIT`);
    await until(
      async () => (await service.metric("audit_log_checkpoint_size")) === 900,
      10_000,
      "the tree of the backup",
    );
    const shrunk = await service.verify({ since });
    assert.deepEqual(shrunk.findings.map(({ what }) => what), ["shrunk"]); // prettier-ignore
    for (let i = 0; i < 2; i++)
      assert.equal(
        (
          await post(
            service.app.main,
            Array.from({ length: 100 }, () => event()),
          )
        ).statusCode,
        201,
      );
    await service.covers(1100);
    const rewritten = await service.verify({ since });
    assert.deepEqual(rewritten.findings.map(({ what }) => what), ["rewritten"]); // prettier-ignore
    assert.equal((await service.verify()).whole, true, "without the earlier checkpoint nothing shows");
  });
});
