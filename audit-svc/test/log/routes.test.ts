import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import pg from "pg";
import { type TestDatabase, createDatabase } from "../support/database.js";
import { event, get, post } from "../support/events.js";
import { LoggingService, newKey } from "../support/log.js";
import { startApp, tokens } from "../support/service.js";
import { readEvent } from "../../src/log/entry.js";
import { checkpointText, openCheckpoint, toNote } from "../../src/log/note.js";
import { parseProof } from "../../src/log/proof.js";
import { leafHash, verifyInclusion } from "../../src/log/tree.js";

describe("the log's routes", function () {
  this.timeout(60_000);
  let database: TestDatabase;
  let service: LoggingService;
  const shared = event({ actor: "shared" });
  before(async () => {
    database = await createDatabase();
    service = await LoggingService.start(database.runtime);
    const events = [...Array.from({ length: 299 }, () => event()), shared];
    assert.equal((await post(service.app.main, events)).statusCode, 201);
    assert.equal((await post(service.app.main, { ...shared, application: "crm" })).statusCode, 201);
    await service.covers(301);
  });
  after(async () => {
    await service.stop();
    await database.drop();
  });

  it("give a checkpoint, tiles and bundles", async () => {
    const checkpoint = await service.get("/log/checkpoint");
    assert.equal(checkpoint.headers.get("cache-control"), "no-store");
    assert.equal(openCheckpoint(await checkpoint.text(), [service.key.verifier])?.size, 301);
    const sizes: [string, number][] = [
      ["0/000", 256 * 32],
      ["0/001.p/45", 45 * 32],
      ["0/001.p/7", 7 * 32],
      ["1/000.p/1", 32],
      ["entries/000", 256 * 37],
      ["entries/001.p/45", 45 * 37],
    ];
    for (const [path, bytes] of sizes) {
      const tile = await service.get(`/log/tile/${path}`);
      assert.equal((await tile.arrayBuffer()).byteLength, bytes, path);
      assert.match(tile.headers.get("cache-control") ?? "", path.includes(".p") ? /^private, max-age=60$/ : /immutable$/);
    }
    for (const path of ["0/002", "0/001", "1/000", "2/000", "0/001.p/46", "0/x000/000", "entries/1", "x"])
      assert.equal((await service.get(`/log/tile/${path}`)).status, 404, path);
  }); // prettier-ignore

  it("are for a reader without an application", async () => {
    for (const path of ["/log/checkpoint", "/log/tile/0/000", "/log/tile/entries/000"]) {
      assert.equal((await service.get(path, "")).status, 401, path);
      assert.equal((await service.get(path, tokens.writer)).status, 403, path);
      assert.equal((await service.get(path, tokens.billingReader)).status, 403, path);
    }
    assert.equal((await service.report("x", tokens.billingReader)).status, 403);
  });

  it("refuse an application that no event can have", async () => {
    assert.equal((await service.get(`/v1/events/${randomUUID()}/proof?application=%00`)).status, 400);
  });

  it("are open to everybody if the log is public, but for proofs", async () => {
    const open = await LoggingService.start(database.runtime, { key: service.key, log: { public: true } });
    try {
      for (const path of ["/log/checkpoint", "/log/tile/0/000"]) assert.equal((await open.get(path, "")).status, 200);
      assert.equal((await open.get(`/v1/events/${shared.id}/proof`, "")).status, 401);
      assert.equal((await open.report("x", "none")).status, 401);
    } finally {
      await open.stop();
    }
  });

  it("are not there without a log", async () => {
    const { app, stop } = await startApp(database.runtime);
    for (const path of ["/log/checkpoint", "/log/tile/0/000", `/v1/events/${shared.id}/proof`])
      assert.equal((await get(app.main, path)).statusCode, 404);
    await stop();
  });

  it("prove an event with nothing but its values and a key", async () => {
    const path = `/v1/events/${shared.id}/proof`;
    assert.equal((await service.get(path)).status, 400);
    const own = await (await service.get(path, tokens.billingReader)).text();
    assert.equal(own, await (await service.get(`${path}?application=billing`)).text());
    assert.equal((await service.get(`${path}?application=crm`, tokens.billingReader)).status, 404);
    assert.equal((await service.get("/v1/events/9f1c2b34-0000-4000-8000-000000000001/proof")).status, 404);
    assert.equal((await service.get("/v1/events/x/proof")).status, 404);

    const proof = parseProof(own);
    const checkpoint = openCheckpoint(proof?.checkpoint ?? "", [service.key.verifier]);
    assert.ok(proof !== undefined && checkpoint !== undefined);
    const { events } = (await (await service.get("/v1/events?application=billing&actor=shared&salt=true")).json()) as { events: { id: string; salt: string; occurredAt: string }[] }; // prettier-ignore
    const [first] = events;
    assert.deepEqual([first?.id, first?.salt.replaceAll("-", "")], [shared.id, proof.extra.toString("hex", 1)]);
    const { commitment } = readEvent(JSON.stringify(first));
    const months = Number(shared.occurredAt.slice(0, 4)) * 12 + Number(shared.occurredAt.slice(5, 7)) - 1 - 1970 * 12;
    const entry = Buffer.concat([proof.extra.subarray(0, 1), Buffer.from([months >> 8, months & 255]), commitment]);
    assert.ok(verifyInclusion(leafHash(entry), proof.index, checkpoint.size, proof.hashes, checkpoint.root));
  });

  it("say that an event is not in the log yet", async () => {
    // As an open transaction of a writer does.
    const { host, port, user, password, name } = database.owner;
    const writer = new pg.Client({ host, port, user, password, database: name });
    await writer.connect();
    await writer.query("BEGIN; LOCK TABLE audit.events IN ROW EXCLUSIVE MODE");
    const late = event();
    assert.equal((await post(service.app.main, late)).statusCode, 201);
    const answer = await service.get(`/v1/events/${late.id}/proof`);
    assert.deepEqual([answer.status, answer.headers.get("retry-after")], [503, "2"]);
    assert.equal(((await answer.json()) as { error: string }).error, "not_in_log");
    await writer.end();
    await service.covers(302);
    assert.equal((await service.get(`/v1/events/${late.id}/proof`)).status, 200);
  });

  it("add salts to events only where they are asked for", async () => {
    const { events } = (await (await service.get("/v1/events?limit=1")).json()) as { events: object[] };
    assert.ok(!("salt" in (events[0] ?? {})));
    const lines = (await (await service.get("/v1/events/export?salt=true")).text()).trim().split("\n");
    assert.match(lines[0] ?? "", /"salt":"[0-9a-f-]{36}","seq":\d+,"data":/);
  });

  it("keep a witness's checkpoint if the log has signed it and extends it", async () => {
    const note = await (await service.get("/log/checkpoint")).text();
    assert.equal((await service.report(note)).status, 204);
    await service.covers(302);
    assert.equal((await service.report(note.replace("\n30", "\n29"))).status, 400);
    assert.equal((await service.report("")).status, 400);
    const other = newKey();
    const text = checkpointText({ origin: other.verifier.name, size: 1, root: Buffer.alloc(32) });
    assert.equal((await service.report(toNote(text, other.verifier, Buffer.alloc(64)))).status, 400);
    const rewritten = service.signed(text);
    assert.equal((await service.report(rewritten)).status, 409);
    const [row] = await database.query<{ size: string }>("SELECT size FROM audit.log_checkpoints WHERE kind = 'witnessed'"); // prettier-ignore
    assert.equal(row?.size, "302");
  });
});
