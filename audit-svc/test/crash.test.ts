import assert from "node:assert/strict";
import { Agent } from "node:http";
import { type TestDatabase, createDatabase } from "./support/database.js";
import { event, send } from "./support/events.js";
import { Load } from "./support/load.js";
import { type PostgresServer, pause, startServer, until } from "./support/postgres.js";
import { ConfigFile, ServiceProcess, configContent } from "./support/service.js";

/** Asserts that every acknowledged event is stored once, and none twice. */
async function assertNothingLost(database: TestDatabase, load: Load): Promise<void> {
  const stored = await database.stored();
  assert.deepEqual(
    load.acked.filter((id) => stored.get(id) !== 1),
    [],
    "acknowledged and not there once",
  );
  assert.deepEqual(
    [...stored].filter(([, count]) => count !== 1),
    [],
    "there more than once",
  );
  const ids = await database.query<{ n: string }>("SELECT count(*) AS n FROM audit.ids");
  assert.equal(Number(ids[0]?.n), stored.size, "the register of ids and the events differ");
}

/**
 * Asserts that, however many requests failed, the log has at most one line per kind and second, the number of
 * suppressed lines, and the end of the outage.
 */
function assertToldOnceASecond(log: string, seconds: number): void {
  const lines = log.split("\n").flatMap((line) => {
    // A long log is cut off at its beginning, in the middle of a line.
    if (!line.startsWith("{") || !line.endsWith("}")) return [];
    return [JSON.parse(line) as { msg: string; kind?: string; code?: string; keptBack?: number }];
  });
  const counts = new Map<string, number>();
  for (const { msg, kind, code } of lines) {
    const what = `${msg}: ${kind ?? code ?? ""}`;
    counts.set(what, (counts.get(what) ?? 0) + 1);
  }
  for (const what of ["database error: connection", "request refused: storage_unavailable", "the database answers: "])
    assert.ok((counts.get(what) ?? 0) > 0, `no "${what}" in ${log}`);
  for (const [what, count] of counts) assert.ok(count <= seconds + 2, `${count} lines "${what}" in ${seconds} s`);
  assert.ok(lines.some((line) => (line.keptBack ?? 0) > 0), `nothing was kept back in ${log}`); // prettier-ignore
}

/** As often as required in `make test THOROUGH=1`; otherwise a few times, because somebody waits. */
const thorough = process.env.THOROUGH === "1";
const kills = thorough ? 10 : 2;

describe("crashes and stops", function () {
  this.timeout(240_000);
  let server: PostgresServer;
  let database: TestDatabase;
  let file: ConfigFile;
  let service: ServiceProcess;
  before(async () => {
    server = await startServer();
  });
  beforeEach(async () => {
    database = await createDatabase({ server });
    file = new ConfigFile();
    file.write(configContent(database.runtime, { storeSeconds: 2 }));
    service = await ServiceProcess.create(file);
    await service.start();
  });
  afterEach(async () => {
    await service.end("SIGKILL");
    file.remove();
  });
  after(() => server.remove());

  it(`a crash of the service, ${kills} times in mid-load, loses and doubles nothing`, async () => {
    const load = new Load(service.url);
    for (let i = 0; i < kills; i++) {
      await load.more(100);
      await service.end("SIGKILL");
      await service.start();
    }
    await load.more(100);
    await load.stop();
    assert.ok((load.codes.get(0) ?? 0) > 0, "no kill broke a request: the test shows nothing");
    await assertNothingLost(database, load);
  });

  it(`a crash of PostgreSQL, ${kills} times in mid-load, loses and doubles nothing, and needs no restart of the service`, async () => {
    const load = new Load(service.url);
    const pid = service.child?.pid;
    for (let i = 0; i < kills; i++) {
      await load.more(100);
      await server.kill();
      await server.start();
    }
    await load.more(100);
    await load.stop();
    assert.equal(service.child?.pid, pid);
    assert.equal(service.child?.exitCode, null);
    assert.deepEqual(
      [...load.codes.keys()].filter((code) => ![201, 503].includes(code)),
      [],
    );
    await assertNothingLost(database, load);
  });

  const seconds = thorough ? 60 : 10;
  it(`PostgreSQL away for ${seconds} s: 503s with Retry-After, health stays, few lines in the log, then recovery by itself`, async () => {
    const load = new Load(service.url);
    await load.more(100);
    const killed = Date.now();
    await server.kill();
    await until(() => (load.codes.get(503) ?? 0) > 0, 10_000, "the first 503");
    const before = load.acked.length;
    await pause(seconds * 1000);
    assert.equal(load.acked.length, before, "acknowledged without a database");
    assert.equal(await service.answers("/healthz"), true);
    const ready = await fetch(`${service.url}/readyz`);
    assert.equal(ready.status, 503);
    assert.match(((await ready.json()) as { reason: string }).reason, /^database: /);
    await server.start();
    const back = Date.now();
    await load.more(100);
    assert.ok(Date.now() - back < 10_000, `recovery took ${Date.now() - back} ms`);
    await until(() => service.answers("/readyz"), 5000, "ready again");
    await load.stop();
    assertToldOnceASecond(service.log, (Date.now() - killed) / 1000);
    assert.equal(load.retryAfterMissing, 0);
    assert.deepEqual(
      [...load.codes.keys()].filter((code) => ![201, 503].includes(code)),
      [],
    );
    await assertNothingLost(database, load);
  });

  it(`SIGTERM, ${kills} times in mid-load, ends within the grace period and loses and doubles nothing`, async () => {
    const load = new Load(service.url);
    for (let i = 0; i < kills; i++) {
      await load.more(100);
      assert.equal(await service.end("SIGTERM"), 0, service.log);
      await service.start();
    }
    await load.more(100);
    await load.stop();
    assert.equal(load.retryAfterMissing, 0);
    assert.deepEqual(
      [...load.codes.keys()].filter((code) => ![0, 201, 503].includes(code)),
      [],
    );
    await assertNothingLost(database, load);
  });

  it("SIGTERM with PostgreSQL hanging ends when the grace period does, with exit code 1", async () => {
    await service.end("SIGTERM");
    service = await ServiceProcess.create(file, { AUDIT_GRACE_SECONDS: "1" });
    // Running requests would need longer than the grace period.
    file.write(configContent(database.runtime, { storeSeconds: 20 }));
    await service.start();
    const load = new Load(service.url);
    await load.more(100);
    server.pause();
    try {
      await until(() => service.busy(16), 10_000, "every client waiting");
      assert.equal(await service.end("SIGTERM"), 1, service.log);
    } finally {
      server.cont();
    }
    await load.stop();
    await assertNothingLost(database, load);
  });

  it("large batches beyond the queue's limit: 503s, and the heap that the image allows is enough", async () => {
    // One character beyond Latin-1 makes a string use two bytes per character: the worst case for memory.
    const data = { a: `語${"x".repeat(15_900)}` };
    const batch = (): object => Array.from({ length: 62 }, () => event({ data }));
    const agent = new Agent({ keepAlive: true });
    const codes = new Map<number, number>();
    let running = true;
    const load = Promise.all(
      Array.from({ length: 32 }, async () => {
        while (running) {
          const { status } = await send(service.url, agent, batch());
          codes.set(status, (codes.get(status) ?? 0) + 1);
          await pause(50);
        }
      }),
    );
    const more = async (code: number, count: number): Promise<void> => {
      const goal = (codes.get(code) ?? 0) + count;
      await until(
        () => (codes.get(code) ?? 0) >= goal || service.child?.signalCode !== null,
        60_000,
        `${count} more ${code}`,
      );
    };
    await more(201, 5);
    server.pause();
    try {
      await more(503, 100);
    } finally {
      server.cont();
    }
    await more(201, 5);
    running = false;
    await load;
    agent.destroy();
    assert.equal(service.child?.signalCode, null, service.log);
    // 0: refused before the body's end, a connection may be reset while the client still writes.
    assert.deepEqual(
      [...codes.keys()].filter((code) => ![0, 201, 503].includes(code)),
      [],
    );
  });

  it("a PostgreSQL that hangs, its connections open: 503s in time, then recovery by itself", async () => {
    const load = new Load(service.url);
    await load.more(100);
    server.pause();
    try {
      await until(() => (load.codes.get(503) ?? 0) >= 16, 15_000, "every client's 503");
    } finally {
      server.cont();
    }
    await load.more(100);
    await load.stop();
    await assertNothingLost(database, load);
  });
});
