import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { FairLimit } from "../src/fair-limit.js";
import { decodeCursor, encodeCursor } from "../src/cursor.js";
import { readEnv } from "../src/env.js";
import { bucketOf, normalizeUuid, uuidTime, uuidv7 } from "../src/ids.js";
import { LogLimit } from "../src/log-limit.js";
import { parseTime } from "../src/time.js";
import { SCHEMA_VERSION, kindOf } from "../src/storage.js";
import { Tokens } from "../src/tokens.js";
import { VERSION } from "../src/version.js";
import { createHash } from "node:crypto";

describe("ids", () => {
  it("makes UUIDv7 that increase, also within one millisecond and past 4096 of it", () => {
    const now = Date.now() + 1000;
    const ids = Array.from({ length: 10_000 }, () => uuidv7(now));
    assert.deepEqual([...ids].sort(), ids);
    assert.equal(new Set(ids).size, ids.length);
    for (const id of ids) assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    assert.equal(uuidTime(ids[0] ?? ""), now);
  });

  it("makes them of the time that it is once a clock that was months ahead has been set back", () => {
    uuidv7(Date.now() + 200 * 86_400_000);
    assert.ok(Math.abs((uuidTime(uuidv7()) ?? 0) - Date.now()) < 2000);
    const now = Date.now();
    const [first, second] = [uuidv7(now), uuidv7(now - 500)];
    assert.ok(second > first, "a clock that is adjusted changes no order");
  });

  it("puts a UUIDv7 into its month and every other id into bucket 0", () => {
    assert.equal(bucketOf("019aaf4c-b000-7000-8000-000000000000"), (2025 - 1970) * 12 + 10);
    assert.equal(bucketOf("9f1c2b34-0000-4000-8000-000000000000"), 0);
  });

  it("takes UUIDs in their usual spelling only", () => {
    assert.equal(normalizeUuid("9F1C2B34-0000-4000-8000-00000000000A"), "9f1c2b34-0000-4000-8000-00000000000a");
    for (const bad of [
      "",
      "9f1c2b34000040008000000000000000",
      "{9f1c2b34-0000-4000-8000-000000000000}",
      "9f1c2b34-0000-4000-8000-00000000000g",
    ]) {
      assert.equal(normalizeUuid(bad), undefined, bad);
    }
  });
});

describe("time", () => {
  const good: [string, string][] = [
    ["2026-01-31T12:00:00Z", "2026-01-31T12:00:00.000000Z"],
    ["2026-01-31t12:00:00.1234567z", "2026-01-31T12:00:00.123456Z"],
    ["2026-01-31T12:00:00.9999999999Z", "2026-01-31T12:00:00.999999Z"],
    ["2026-12-31T23:59:59.99999999999999-00:00", "2026-12-31T23:59:59.999999Z"],
    ["9999-12-31T23:59:59.9999999Z", "9999-12-31T23:59:59.999999Z"],
    ["2026-01-01T00:00:00+23:59", "2025-12-31T00:01:00.000000Z"],
    ["2026-01-01T00:30:00+01:00", "2025-12-31T23:30:00.000000Z"],
    ["2026-01-01T00:30:00.5-00:30", "2026-01-01T01:00:00.500000Z"],
    ["2024-02-29T00:00:00Z", "2024-02-29T00:00:00.000000Z"],
  ];
  for (const [text, iso] of good) it(`reads ${text}`, () => assert.equal(parseTime(text)?.iso, iso));

  const bad = [
    "",
    "2026-01-31",
    "2026-01-31T12:00:00",
    "2026-02-30T00:00:00Z",
    "2025-02-29T00:00:00Z",
    "2026-13-01T00:00:00Z",
    "2026-00-01T00:00:00Z",
  ];
  bad.push(
    "2026-01-00T00:00:00Z",
    "2026-01-01T24:00:00Z",
    "2026-01-01T00:60:00Z",
    "2026-12-31T23:59:60Z",
    "2026-01-01T00:00:00+24:00",
  );
  bad.push(
    "2026-01-01 00:00:00Z",
    "0000-01-01T00:00:00+01:00",
    "9999-12-31T23:59:59-00:01",
    "2026-01-01T00:00:00.Z",
    "2026-1-1T00:00:00Z",
  );
  for (const text of bad) it(`refuses "${text}"`, () => assert.equal(parseTime(text), undefined));
});

describe("cursor", () => {
  const position = {
    occurredAt: "2026-01-31T12:00:00.123456Z",
    id: "9f1c2b34-0000-4000-8000-00000000000a",
    application: "a|б",
  };

  it("comes back as it was, however long the application's name is", () => {
    for (const application of [position.application, "😀".repeat(100)])
      assert.deepEqual(decodeCursor(encodeCursor({ ...position, application })), { ...position, application });
  });

  it("may be one of the previous release, which had no application", () => {
    const former = Buffer.from(`1|${position.occurredAt}|${position.id}`).toString("base64url");
    assert.deepEqual(decodeCursor(former), { ...position, application: "" });
  });

  it("refuses what it did not make", () => {
    const good = encodeCursor(position);
    for (const bad of [
      "",
      "x",
      `${good}A`,
      good.slice(1),
      Buffer.from("2|a|b").toString("base64url"),
      `${good}=`,
      "%00",
      "A".repeat(700),
    ]) {
      assert.equal(decodeCursor(bad), undefined, bad);
    }
  });
});

describe("tokens", () => {
  const hash = (text: string): string => createHash("sha256").update(text).digest("hex");
  const all = new Tokens([
    { name: "a", sha256: hash("one"), role: "writer", application: "billing" },
    { name: "b", sha256: hash("two").toUpperCase(), role: "reader" },
  ]);

  it("finds the principal", () => {
    assert.deepEqual(all.authenticate("Bearer one"), { name: "a", role: "writer", application: "billing" });
    assert.deepEqual(all.authenticate("bearer  two "), { name: "b", role: "reader" });
    for (const scheme of ["BEARER", "bearer", "BeArEr"])
      assert.equal(all.authenticate(`${scheme} one`)?.name, "a", "the scheme has no case (RFC 9110, 11.1)");
  });

  it("finds it again, also when more headers were valid than are remembered", () => {
    for (let spaces = 0; spaces < 1100; spaces += 1) {
      const header = `Bearer ${" ".repeat(spaces % 34)}one${" ".repeat(spaces / 34)}`;
      assert.equal(all.authenticate(header)?.name, "a");
      assert.equal(all.authenticate(header)?.name, "a");
    }
    assert.equal(new Tokens([]).authenticate("Bearer one"), undefined, "another configuration knows nothing of it");
  });

  it("refuses everything else", () => {
    for (const header of [
      undefined,
      "",
      "Bearer",
      "Bearer ",
      "Bearer three",
      "Basic one",
      "Bearer one two",
      `Bearer ${hash("one")}`,
      "one",
    ]) {
      assert.equal(all.authenticate(header), undefined, header);
    }
  });
});

describe("a fair limit", () => {
  it("leaves room for others, however much one holder asks for", () => {
    const limit = new FairLimit();
    const fill = (holder: string): number => {
      let shares = 0;
      while (limit.open(holder).take(10, 1000)) shares += 1;
      return shares;
    };
    assert.equal(fill("greedy"), 75);
    assert.equal(fill("another"), 18);
    const newcomer = limit.open("newcomer");
    assert.ok(newcomer.take(70, 1000), "the only request of a holder gets all that is left");
    newcomer.release();
    newcomer.release();
    assert.equal(limit.held, 930);
    assert.equal(fill("greedy"), 0);
  });

  it("accepts a request that is alone, in pieces, and forgets a holder that holds nothing", () => {
    const limit = new FairLimit();
    const body = limit.open("a");
    for (let piece = 0; piece < 5; piece++) assert.ok(body.take(100, 300));
    assert.ok(!limit.open("b").take(1, 300));
    body.release();
    assert.equal(limit.held, 0);
    assert.ok(limit.open("b").take(300, 300));
  });
});

describe("log limit", () => {
  it("allows one line of each kind per second, and says how many it suppressed", () => {
    const limit = new LogLimit();
    const passes = [0, 1, 999, 1000, 1001, 2500].map((now) => limit.pass("away", now));
    assert.deepEqual(passes, [{}, undefined, undefined, { keptBack: 2 }, undefined, { keptBack: 1 }]);
    assert.deepEqual(limit.pass("other", 1), {});
  });
});

describe("environment", () => {
  const refused: [Record<string, string>, string][] = [
    [
      { AUDIT_LISTEN: "8080" },
      'AUDIT_LISTEN: "8080" is not an address; write it as host:port, for example 0.0.0.0:8080 or [::]:8080.',
    ],
    [
      { AUDIT_ADMIN_LISTEN: "a:99999" },
      'AUDIT_ADMIN_LISTEN: "a:99999" is not an address; write it as host:port, for example 0.0.0.0:8080 or [::]:8080.',
    ],
    [
      { AUDIT_LOG_LEVEL: "loud" },
      'AUDIT_LOG_LEVEL: "loud" is not a level; use one of fatal, error, warn, info, debug, trace, silent.',
    ],
    [{ AUDIT_GRACE_SECONDS: "soon" }, 'AUDIT_GRACE_SECONDS: "soon" is not a number of seconds between 0 and 3600.'],
  ];
  for (const [env, message] of refused) {
    it(`refuses ${JSON.stringify(env)}`, () => assert.throws(() => readEnv(env), { name: "UserError", message }));
  }

  it("has defaults", () => {
    assert.deepEqual(readEnv({ AUDIT_LISTEN: "[::1]:1", AUDIT_ADMIN_LISTEN: "off" }), {
      configFile: "/run/audit/config.json",
      listen: { host: "::1", port: 1 },
      adminListen: "off",
      release: "unknown",
      logLevel: "info",
      watchSeconds: 2,
      graceSeconds: 25,
    });
  });
});

describe("versions", () => {
  const here = (path: string): URL => new URL(path, import.meta.url);

  it("are the package's and the newest migration's", () => {
    const { version } = JSON.parse(readFileSync(here("../package.json"), "utf8")) as { version: string };
    assert.equal(VERSION, version);
    const newest = Math.max(...readdirSync(here("../migrations")).map((name) => parseInt(name, 10)));
    assert.equal(SCHEMA_VERSION, newest);
  });
});

describe("errors of the database", () => {
  it("are told from those of the way to it, which are worth a retry", () => {
    const codes = ["EPIPE", "EPERM", "ECONNRESET", "08006", "57P01", "42501", "42P01", "XX000", "57014", "AU409"];
    assert.deepEqual(
      codes.map((code) => kindOf(Object.assign(new Error("broken"), { code }))),
      [...Array<string>(6).fill("connection"), "query", "query", "timeout", "conflict"],
    );
  });
});
