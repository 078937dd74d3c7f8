import assert from "node:assert/strict";
import { Agent } from "node:http";
import { times } from "../../test/support/depth.js";
import { type TestDatabase, createDatabase } from "./support/database.js";
import { event, send } from "./support/events.js";
import { type PostgresServer, pause, startServer, until } from "./support/postgres.js";
import { ConfigFile, ServiceProcess, configContent } from "./support/service.js";

/** Clients that send one event after another, each again with its id until it is acknowledged, as a careful client does. */
class Load {
  readonly acked: string[] = [];
  readonly codes = new Map<number, number>();
  retryAfterMissing = 0;
  #running = true;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 16 });
  readonly #done: Promise<unknown>;

  constructor(url: string) {
    this.#done = Promise.all(
      Array.from({ length: 16 }, async () => {
        while (this.#running) {
          const one = event();
          for (let status = -1; status !== 201 && this.#running;) {
            const answer = await send(url, this.#agent, one);
            status = answer.status;
            this.codes.set(status, (this.codes.get(status) ?? 0) + 1);
            if (status === 201) this.acked.push(one.id);
            else {
              if (status === 503 && answer.retryAfter === undefined) this.retryAfterMissing += 1;
              await pause(20);
            }
          }
        }
      }),
    );
  }

  /** Waits until this many more events have been acknowledged. */
  async more(count: number): Promise<void> {
    const goal = this.acked.length + count;
    await until(
      () => this.acked.length >= goal,
      60_000,
      `${count} more acknowledged events (so far ${JSON.stringify([...this.codes])})`,
    );
  }

  async stop(): Promise<void> {
    this.#running = false;
    await this.#done;
    this.#agent.destroy();
  }
}

/** Every acknowledged event is there once, and none is there twice. */
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
  const ids = await database.query<{ n: string }>("SELECT count(*) AS n FROM audit.event_ids");
  assert.equal(Number(ids[0]?.n), stored.size, "the register of ids and the events differ");
}

const kills = times(2, 10);

describe("crashes", function () {
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

  it(`of the service, ${kills} times in mid-load, lose and double nothing`, async () => {
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

  it(`of PostgreSQL, ${kills} times in mid-load, lose and double nothing, and need no restart of the service`, async () => {
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

  const seconds = times(10, 60);
  it(`of PostgreSQL for ${seconds} s: 503s with Retry-After, health stays, then recovery by itself`, async () => {
    const load = new Load(service.url);
    await load.more(100);
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
    assert.equal(load.retryAfterMissing, 0);
    assert.deepEqual(
      [...load.codes.keys()].filter((code) => ![201, 503].includes(code)),
      [],
    );
    await assertNothingLost(database, load);
  });

  it("or a PostgreSQL that hangs, its connections open: 503s in time, then recovery by itself", async () => {
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
