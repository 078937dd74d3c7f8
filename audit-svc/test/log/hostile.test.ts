import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { Finding } from "../../src/log/findings.js";
import { printable } from "../../src/log/printable.js";
import { Service } from "../../src/log/source.js";
import { type TestDatabase, createDatabase } from "../support/database.js";
import { event, post } from "../support/events.js";
import { LoggingService } from "../support/log.js";

const EVENTS = 300;
const COLUMNS = ["id", "occurred_at", "recorded_at", "application", "actor", "action", "resource", "outcome", "data", "salt", "seq"]; // prettier-ignore

/** What a superuser can store and the service cannot, and what the service stores and few programs read well. */
describe("a log with values that nobody expects", function () {
  this.timeout(120_000);
  let database: TestDatabase;
  let service: LoggingService;
  before(async () => {
    database = await createDatabase();
    service = await LoggingService.start(database.runtime);
    const events = Array.from({ length: EVENTS }, (_, i) => event({ actor: `actor-${i}`, data: { i } }));
    // Legal, and ends of lines to some programs.
    events[100] = event({ actor: "actor-100", data: { text: "a\u2028b\u2029c\u0085d\r\n" } });
    assert.equal((await post(service.app.main, events)).statusCode, 201);
    await service.covers(EVENTS);
    await database.query("CREATE TABLE audit.kept AS SELECT * FROM audit.events");
  });
  after(async () => {
    await service.stop();
    await database.drop();
  });

  async function found(sql: string, options = {}): Promise<readonly Finding[]> {
    await database.query(sql);
    try {
      return (await service.verify(options)).findings;
    } finally {
      await database.query("TRUNCATE audit.events; INSERT INTO audit.events SELECT * FROM audit.kept");
    }
  }
  /** Copies the event of `actor-200` with other values. */
  const inserted = (values: Record<string, string>): string =>
    `INSERT INTO audit.events (${COLUMNS.join(", ")}) SELECT ${COLUMNS.map((column) => ({ id: "gen_random_uuid()", application: "'evil'", ...values })[column] ?? column).join(", ")} FROM audit.kept WHERE actor = 'actor-200'`;
  const changed = (value: string): string => `UPDATE audit.events SET ${value} WHERE actor = 'actor-200'`;

  it("is whole with texts that have other ends of lines", async () => {
    const { findings, events } = await service.verify();
    assert.deepEqual([findings, events], [[], EVENTS]);
  });

  for (const [what, values] of Object.entries<Record<string, string>>({
    "before all times": { occurred_at: "'-infinity'" },
    "before Christ": { occurred_at: "'0044-03-15 BC'" },
    "that says it will come, with a place that never comes": { recorded_at: "'2099-01-01'", seq: "1000000000" },
    "from before the newest, with a place that never comes": {
      recorded_at: "recorded_at - interval '1 hour'",
      seq: "1000000000",
    },
    "without a salt": { salt: "NULL" },
    "without a place": { seq: "NULL" },
  }))
    it(`shows an event ${what} that was inserted`, async () => {
      const findings = await found(inserted(values));
      assert.deepEqual(findings.map(({ what, application }) => [what, application]), [["inserted", "evil"]]); // prettier-ignore
    });

  for (const [what, value, why] of [
    ["without a salt", "salt = NULL", "it has no salt"],
    ["stored before all times", "recorded_at = '-infinity'", "it has no recordedAt"],
    ["of 5000 levels", "data = (repeat('[', 5000) || repeat(']', 5000))::jsonb", "it is nested deeper than 500 levels"],
  ] as const)
    it(`shows an event that is now ${what}, and names it`, async () => {
      const findings = await found(changed(value));
      assert.deepEqual(findings.map(({ what, position }) => [what, position]), [["changed", 200]]); // prettier-ignore
      assert.match(
        findings[0]?.message ?? "",
        new RegExp(`^the event \\S{36} of billing is not what .* stored \\(${why}\\)$`),
      );
    });

  for (const seq of ["NULL", "9000000000000000000", "-7", "(SELECT seq FROM audit.kept WHERE actor = 'actor-199')"])
    it(`shows a place that was changed to ${seq}`, async () => {
      const findings = await found(changed(`seq = ${seq}`));
      assert.deepEqual(findings.map(({ what }) => what), ["moved"]); // prettier-ignore
      assert.match(findings[0]?.message ?? "", /at entry 20[01] contradicts/);
    });

  it("shows an event that is there twice", async () => {
    await database.query("ALTER TABLE audit.events DROP CONSTRAINT events_pkey");
    const findings = await found("INSERT INTO audit.events SELECT * FROM audit.kept WHERE actor = 'actor-200'");
    assert.deepEqual(findings.map(({ what, position }) => [what, position]), [["doubled", 200]]); // prettier-ignore
  });

  it("tells events that wait for a signer from inserted ones", async () => {
    const late = [
      inserted({ recorded_at: "now()", seq: "1000000000" }),
      inserted({ recorded_at: "now()", seq: "1000000001" }),
    ];
    await database.query(late.join("; "));
    const { now } = Date;
    try {
      Date.now = () => now() + 900_000;
      await assert.rejects(service.verify(), /2 events that were stored minutes ago are under no checkpoint yet/);
    } finally {
      Date.now = now;
      await database.query("DELETE FROM audit.events WHERE application = 'evil'");
    }
  });

  it("shows an entry that names another month than its event has", async () => {
    const [{ definition = "" } = {}] = await database.query<{ definition: string }>(
      "SELECT pg_get_functiondef('audit.log_entry'::regproc) AS definition",
    );
    await database.query(definition.replaceAll("1970", "2000"));
    await post(service.app.main, [event()]);
    await service.covers(EVENTS + 1);
    const { findings } = await service.verify({ retentionDays: 400 });
    assert.deepEqual(findings.map(({ what, position }) => [what, position]), [["other-month", EVENTS]]); // prettier-ignore
  });

  it("prints what a terminal would obey as JSON spells it", () => {
    assert.equal(printable("\u001b[2Ja\u009bb\u202ec\td\n"), "\\u001b[2Ja\\u009bb\\u202ec\\u0009d\n");
  });

  it("asks again where the edge refuses for its limit", async () => {
    let asked = 0;
    const server = createServer((_request, response) => {
      response.statusCode = ++asked === 1 ? 429 : 200;
      response.end("note");
    });
    await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
    const { port } = server.address() as AddressInfo;
    try {
      assert.equal(await new Service(new URL(`http://127.0.0.1:${port}`), "token").checkpoint(), "note");
    } finally {
      server.close();
      server.closeAllConnections();
    }
    assert.equal(asked, 2);
  });

  it("goes on with an export that breaks off, and takes no event twice", async () => {
    const line = (n: number): string => `{"id":"${n}","occurredAt":"2026-01-0${Math.ceil(n / 2)}T00:00:00.000000Z"}\n`;
    let asked = 0;
    const server = createServer((request, response) => {
      asked += 1;
      const { to = "" } = Object.fromEntries(new URL(request.url ?? "", "http://x").searchParams);
      if (asked > 1) assert.equal(to, "2026-01-02T00:00:00.000001Z");
      response.write(asked === 1 ? [4, 3].map(line).join("") + '{"id":"2","occ' : [4, 3, 2, 2, 1].map(line).join(""));
      if (asked === 1) setTimeout(() => response.destroy(), 100);
      else response.end();
    });
    await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
    const { port } = server.address() as AddressInfo;
    const lines: string[] = [];
    for await (const each of new Service(new URL(`http://127.0.0.1:${port}`), "token").events())
      lines.push((JSON.parse(each) as { id: string }).id);
    server.close();
    server.closeAllConnections();
    assert.deepEqual(lines, ["4", "3", "2", "2", "1"]);
  });
});
