import assert from "node:assert/strict";
import { type TestDatabase, createDatabase } from "./support/database.js";
import { event } from "./support/events.js";
import { until } from "./support/postgres.js";
import { ConfigFile, ServiceProcess, configContent, tokens } from "./support/service.js";

/** The log entries about its warm-up, one per run. */
const warmUps = (service: ServiceProcess): { requests: number; level: string }[] =>
  service.log
    .split("\n")
    .filter((line) => line.includes('"warmed up"') || line.includes("warming up failed"))
    .map((line) => JSON.parse(line) as { requests: number; level: string });

describe("the warm-up", function () {
  this.timeout(60_000);
  let database: TestDatabase;
  let service: ServiceProcess;
  const file = new ConfigFile();
  before(async () => {
    database = await createDatabase();
    file.write(configContent(database.runtime));
    service = await ServiceProcess.create(file);
    await service.start();
  });
  after(async () => {
    await service.end("SIGTERM");
    file.remove();
    await database.drop();
  });

  it("is over before the service listens, so that no client is told that it is not ready", async () => {
    const other = await ServiceProcess.create(file);
    await other.start({ ready: false });
    assert.equal(await other.answers("/readyz"), true);
    assert.equal(await other.end("SIGTERM"), 0);
  });

  it("is over before the service is ready, and runs once", async () => {
    assert.deepEqual(
      warmUps(service).map(({ requests, level }) => ({ requests, level })),
      [{ requests: 700, level: "info" }],
    );
    file.write(configContent(database.runtime, { applications: 7 }));
    const reload = await fetch(`${service.adminUrl}/reload`, { method: "POST" });
    assert.equal(((await reload.json()) as { result: string }).result, "applied");
    assert.equal(warmUps(service).length, 1);
  });

  it("leaves nothing behind: no event, no id, no application, no request counted", async () => {
    for (const table of ["events", "ids"]) {
      const [row] = await database.query<{ n: string }>(`SELECT count(*) AS n FROM audit.${table}`);
      assert.equal(row?.n, "0", table);
    }
    const metrics = await (await fetch(`${service.url}/metrics`)).text();
    assert.doesNotMatch(metrics, /warm-up|http_requests_total\{[^}]*POST[^}]*v1\/events/);
    assert.match(metrics, /\naudit_events_total\{application="billing"\} 0\n/);
    assert.doesNotMatch(metrics, /\naudit_events_total\{application="(?!billing)/);
    assert.match(metrics, /\naudit_ingest_queue_depth 0\n/);
  });

  it("does not delay a client", async () => {
    const answer = await fetch(`${service.url}/v1/events`, {
      method: "POST",
      body: JSON.stringify(event()),
      headers: { authorization: `Bearer ${tokens.anyWriter}`, "content-type": "application/json" },
    });
    assert.equal(answer.status, 201);
  });

  it("is optional: a service whose limits refuse most of it starts anyway", async () => {
    const narrow = new ConfigFile();
    narrow.write(configContent(database.runtime, { dataBytes: 2 }));
    const other = await ServiceProcess.create(narrow);
    await other.start();
    await until(() => warmUps(other).length === 1, 5_000);
    assert.equal(warmUps(other)[0]?.requests, 0);
    assert.equal(await other.end("SIGTERM"), 0);
    narrow.remove();
  });
});
