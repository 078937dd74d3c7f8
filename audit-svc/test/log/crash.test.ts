import assert from "node:assert/strict";
import { Service } from "../../src/log/source.js";
import { type TestDatabase, createDatabase } from "../support/database.js";
import { Load } from "../support/load.js";
import { ORIGIN, newKey, verifyWith } from "../support/log.js";
import { type PostgresServer, pause, startServer, until } from "../support/postgres.js";
import { ConfigFile, ServiceProcess, configContent, tokens } from "../support/service.js";

/** As often as required in `make test THOROUGH=1`; otherwise a few times, because somebody waits. */
const kills = process.env.THOROUGH === "1" ? 10 : 2;

describe("crashes in the middle of sequencing", function () {
  this.timeout(240_000);
  const key = newKey();
  let server: PostgresServer;
  let database: TestDatabase;
  let file: ConfigFile;
  let services: ServiceProcess[];
  before(async () => {
    server = await startServer();
  });
  beforeEach(async () => {
    database = await createDatabase({ server });
    file = new ConfigFile();
    const log = { origin: ORIGIN, signer: { privateKey: key.privateKey } };
    file.write({ ...configContent(database.runtime, { storeSeconds: 2 }), log });
    // Two replicas, so that the one goes on where the other was killed.
    services = [await ServiceProcess.create(file), await ServiceProcess.create(file)];
    for (const service of services) await service.start();
  });
  afterEach(async () => {
    for (const service of services) await service.end("SIGKILL");
    file.remove();
  });
  after(() => server.remove());

  /** Every stored event has one entry, and there is no other entry. */
  async function assertWhole(load: Load, url: string): Promise<void> {
    const [row] = await database.query<{ n: number }>("SELECT count(*)::int AS n FROM audit.events");
    const source = new Service(new URL(url), tokens.reader);
    await until(async () => Number((await source.checkpoint()).split("\n")[1]) === row?.n, 20_000, "the last checkpoint");
    const verdict = await verifyWith(source, { verifiers: [key.verifier] });
    assert.deepEqual([verdict.whole, verdict.size, verdict.events, verdict.findings], [true, row?.n, row?.n, []]);
    assert.ok(verdict.events >= load.acked.length);
  } // prettier-ignore

  it(`of the service, ${kills} times: the tree is whole, nothing is there twice, nothing is left out`, async () => {
    const [killed, other] = services as [ServiceProcess, ServiceProcess];
    const load = new Load(killed.url);
    for (let i = 0; i < kills; i++) {
      await load.more(300);
      // At another moment of the second in which a turn runs each time.
      await pause(i * 97);
      await killed.end("SIGKILL");
      await killed.start();
    }
    await load.more(100);
    await load.stop();
    await assertWhole(load, other.url);
  });

  it(`of PostgreSQL, ${kills} times: the same, and checkpoints that were given out stay true`, async () => {
    const [first, other] = services as [ServiceProcess, ServiceProcess];
    const load = new Load(first.url);
    const checkpoints: string[] = [];
    for (let i = 0; i < kills; i++) {
      await load.more(300);
      checkpoints.push(await (await fetch(`${other.url}/log/checkpoint`, { headers: { authorization: `Bearer ${tokens.reader}` } })).text()); // prettier-ignore
      await pause(i * 97);
      await server.kill();
      await server.start();
    }
    await load.more(100);
    await load.stop();
    await assertWhole(load, other.url);
    const source = new Service(new URL(other.url), tokens.reader);
    for (const since of checkpoints.filter((note) => note.startsWith(ORIGIN)))
      assert.equal((await verifyWith(source, { verifiers: [key.verifier], since })).whole, true);
  });

  it("not a crash but SIGTERM, PostgreSQL hanging in a turn: exit code 0 in seconds, and the next process goes on", async () => {
    const [stopped, other] = services as [ServiceProcess, ServiceProcess];
    const load = new Load(stopped.url);
    await load.more(100);
    await load.stop();
    server.pause();
    try {
      // Turns are one second apart.
      await pause(1500);
      const began = Date.now();
      assert.equal(await stopped.end("SIGTERM"), 0, stopped.log);
      assert.ok(Date.now() - began < 6000, `${Date.now() - began} ms`);
      await other.end("SIGKILL");
    } finally {
      server.cont();
    }
    await stopped.start();
    await assertWhole(load, stopped.url);
  });
});
