import assert from "node:assert/strict";
import { DatabaseCapacity } from "../src/database-capacity.js";
import { Metrics } from "../src/metrics.js";
import type { Storage } from "../src/storage.js";
import { type TestDatabase, createDatabase } from "./support/database.js";
import { pause, until } from "./support/postgres.js";
import { configContent, startApp } from "./support/service.js";

describe("a clock that is set back", function () {
  this.timeout(60_000);
  let database: TestDatabase;
  before(async () => {
    database = await createDatabase();
  });
  after(() => database.drop());

  it("does not keep the service from asking for the database's size once a minute", async () => {
    let asked = 0;
    const capacity = (): Promise<{ bytes: number; partitionsEnd: number }> => {
      asked += 1;
      return Promise.resolve({ bytes: 1, partitionsEnd: Infinity });
    };
    const storage = { capacity } as unknown as Storage;
    const figures = new DatabaseCapacity(new Metrics({ version: "1", release: "r" }, false), () => storage);
    const [date, elapsed] = [Date.now, performance.now.bind(performance)];
    await figures.refresh();
    try {
      Date.now = () => date() - 3_600_000;
      performance.now = () => elapsed() + 59_000;
      await figures.refresh();
      assert.equal(asked, 1);
      performance.now = () => elapsed() + 61_000;
      await figures.refresh();
      assert.equal(asked, 2);
    } finally {
      Date.now = date;
      performance.now = elapsed;
    }
  });

  it("does not keep it from checking the database and a refused configuration", async () => {
    const other = await createDatabase();
    const { app, file, stop } = await startApp(database.runtime);
    app.configReloader.watch(0.05);
    const ready = async (): Promise<boolean> => (await app.main.inject("/readyz")).statusCode === 200;
    assert.equal(await ready(), true);
    await other.query(`ALTER ROLE ${other.runtime.user} NOLOGIN`);
    file.write(configContent(other.runtime));
    await until(() => app.configReloader.waiting !== "", 5000, "the refusal");
    const date = Date.now;
    // Less than clockSkewSeconds, because the test write's event takes its time from elsewhere.
    Date.now = () => date() - 200_000;
    try {
      await database.query(`REVOKE EXECUTE ON FUNCTION audit.store FROM ${database.runtimeRole}`);
      await pause(1100);
      assert.equal(await ready(), false);
      await other.query(`ALTER ROLE ${other.runtime.user} LOGIN`);
      await until(() => app.configReloader.active?.generation === 2, 10_000, "generation 2");
    } finally {
      Date.now = date;
      await database.query(`GRANT EXECUTE ON FUNCTION audit.store TO ${database.runtimeRole}`);
      await stop();
      await other.drop();
    }
  });
});
