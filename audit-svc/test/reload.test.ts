import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { Agent } from "node:http";
import { type App, buildApp } from "../src/app.js";
import { type TestDatabase, createDatabase } from "./support/database.js";
import { event, post, send } from "./support/events.js";
import { until } from "./support/postgres.js";
import { ConfigFile, ServiceProcess, configContent, startApp } from "./support/service.js";

interface Status {
  result: string;
  status: string;
  generation: number;
  digest: string;
  reason?: string;
}

describe("reload", function () {
  this.timeout(60_000);
  let database: TestDatabase;
  before(async () => {
    database = await createDatabase();
  });
  after(() => database.drop());
  const digestOf = (file: ConfigFile): string => createHash("sha256").update(readFileSync(file.path)).digest("hex");
  const reload = async (app: App): Promise<{ code: number; body: Status }> => {
    const answer = await app.admin.inject({ method: "POST", url: "/reload" });
    return { code: answer.statusCode, body: answer.json<Status>() };
  };
  const metric = async (app: App, name: string): Promise<string | undefined> =>
    new RegExp(`^${name.replace(/[{}]/g, "\\$&")} (.*)$`, "m").exec(await app.metrics.registry.metrics())?.[1];

  it("applies a changed file: new login, new tokens, new limits; and reports its digest", async () => {
    const { app, file, stop } = await startApp(database.runtime);
    const first = digestOf(file);
    assert.deepEqual((await app.main.inject("/readyz")).json(), {
      status: "ready",
      generation: 1,
      digest: first,
      schemaVersion: 7,
    });

    const content = configContent(await database.addLogin(), { batchEvents: 1 });
    content.tokens = [{ name: "new", sha256: createHash("sha256").update("brand-new").digest("hex"), role: "writer" }];
    file.write(content);
    assert.deepEqual(await reload(app), {
      code: 200,
      body: { result: "applied", generation: 2, digest: digestOf(file) },
    });
    assert.notEqual(digestOf(file), first);
    assert.equal((await post(app.main, event())).statusCode, 401, "a token that was taken out");
    assert.equal((await post(app.main, event(), { token: "brand-new" })).statusCode, 201);
    assert.equal((await post(app.main, [event(), event()], { token: "brand-new" })).statusCode, 413);

    assert.deepEqual((await reload(app)).body, { result: "unchanged", generation: 2, digest: digestOf(file) });
    assert.equal(await metric(app, "audit_config_generation"), "2");
    assert.equal(await metric(app, `audit_config_digest_info{digest="${digestOf(file)}"}`), "1");
    assert.equal(await metric(app, `audit_config_digest_info{digest="${first}"}`), undefined);
    await stop();
  });

  it("closes the old pool once it is not used any more", async () => {
    const { app, file, stop } = await startApp(database.runtime);
    const login = await database.addLogin();
    file.write(configContent(login));
    assert.equal((await reload(app)).body.result, "applied");
    const users = async (): Promise<unknown[]> =>
      database.query(
        "SELECT DISTINCT usename FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'audit-svc'",
      );
    await until(
      async () => JSON.stringify(await users()) === JSON.stringify([{ usename: login.user }]),
      5000,
      "only the new login",
    );
    await stop();
  });

  it("keeps the old configuration when the new one is bad, and says why", async () => {
    const { app, file, stop } = await startApp(database.runtime);
    const { digest } = (await app.main.inject("/readyz")).json<Status>();
    const owned = await createDatabase({ server: database.server, migrated: false });
    const bad: [object | string, number, string, RegExp][] = [
      ["{", 422, "invalid", /^configuration: the file is not valid JSON in UTF-8\.$/],
      [
        { ...configContent(database.runtime), extra: 1 },
        422,
        "invalid",
        /^configuration: extra: there is no such setting\.$/,
      ],
      [configContent({ ...database.runtime, port: 1 }), 503, "unreachable", /^database: connect ECONNREFUSED/],
      [configContent({ ...database.runtime, user: "nobody_there" }), 503, "unreachable", /^database: .*"nobody_there"/],
      [
        configContent({ ...database.runtime, name: "nowhere" }),
        503,
        "unreachable",
        /^database: .*"nowhere" does not exist/,
      ],
      [
        configContent(owned.owner),
        503,
        "unreachable",
        /^database: its schema has version 0 and 7 is needed; run `migrate`/,
      ],
    ];
    for (const [content, code, result, reason] of bad) {
      file.write(content);
      const answer = await reload(app);
      assert.deepEqual(
        [answer.code, answer.body.result, answer.body.generation, answer.body.digest],
        [code, result, 1, digest],
      );
      assert.match(answer.body.reason ?? "", reason);
      assert.doesNotMatch(JSON.stringify(answer.body), /secret-/);
      assert.equal((await post(app.main, event())).statusCode, 201);
    }
    assert.equal(await metric(app, 'audit_config_reloads_total{result="invalid"}'), "2");
    assert.equal(await metric(app, 'audit_config_reloads_total{result="unreachable"}'), "4");
    assert.match((await app.main.inject("/metrics")).body, /^audit_schema_version 7$/m);
    await stop();
    await owned.drop();
  });

  it("refuses a login that may not insert", async () => {
    const { app, file, stop } = await startApp(database.runtime);
    const login = await database.addLogin();
    await database.query(`REVOKE ${database.runtimeRole} FROM ${login.user}`);
    file.write(configContent(login));
    const { body } = await reload(app);
    assert.deepEqual(
      [body.result, body.reason],
      [
        "unreachable",
        "database: permission denied for schema audit; run `migrate` with runtimeRole set, and grant that role to this one",
      ],
    );
    await stop();
  });

  it("stores an event over each connection before a configuration is in force, and keeps none of them", async () => {
    const own = await createDatabase();
    const { app, file, stop } = await startApp(own.runtime, { writers: 3 });
    assert.deepEqual(app.configReloader.active?.storage.connections, { idle: 3, busy: 0, waiting: 0 });
    for (const table of ["events", "ids"]) assert.deepEqual(await own.query(`SELECT * FROM audit.${table}`), [], table);
    await own.query("ALTER TABLE audit.events ADD CHECK (application <> 'audit-svc')");
    file.write(configContent(own.runtime, { writers: 2 }));
    const { body } = await reload(app);
    assert.equal(body.result, "unreachable");
    assert.match(
      body.reason ?? "",
      /^database: an event cannot be stored: new row for relation "events_\d{4}_\d\d" violates/,
    );
    const sessions =
      "SELECT FROM pg_stat_activity WHERE application_name = 'audit-svc' AND datname = current_database()";
    await until(
      async () => (await own.query(sessions)).length === 3,
      5000,
      "only the first configuration's connections",
    );
    await stop();
    await own.drop();
  });

  it("waits for a missing file, and loads it by itself", async () => {
    const file = new ConfigFile();
    const app = await buildApp({ configFile: file.path, logLevel: "silent" });
    assert.equal((await reload(app)).code, 503);
    app.configReloader.watch(0.05);
    assert.equal((await app.main.inject("/healthz")).statusCode, 200);
    const waiting = await app.main.inject("/readyz");
    assert.deepEqual([waiting.statusCode, waiting.json<Status>().reason], [503, `cannot read ${file.path}: ENOENT`]);
    const refused = await post(app.main, event());
    assert.deepEqual([refused.statusCode, refused.headers["retry-after"]], [503, "1"]);
    file.write(configContent(database.runtime));
    await until(async () => (await app.main.inject("/readyz")).statusCode === 200, 5000, "ready");
    assert.equal((await post(app.main, event())).statusCode, 201);
    assert.equal(await metric(app, 'audit_config_reloads_total{result="unreadable"}'), "0");
    rmSync(file.path);
    assert.equal((await reload(app)).code, 503);
    assert.equal(await metric(app, 'audit_config_reloads_total{result="unreadable"}'), "1");
    await app.close();
  });

  it("sees a change without being called, even one written in place, or one that failed at first", async () => {
    const { app, file, stop } = await startApp(database.runtime);
    app.configReloader.watch(0.05);
    writeFileSync(file.path, JSON.stringify(configContent(database.runtime, { readers: 2 })));
    await until(() => app.configReloader.active?.generation === 2, 5000, "generation 2");
    const other = await createDatabase({ server: database.server });
    const name = other.runtime.user;
    await other.query(`ALTER ROLE ${name} NOLOGIN`);
    file.write(configContent(other.runtime));
    await until(() => app.configReloader.waiting !== "", 5000, "the refusal");
    await other.query(`ALTER ROLE ${name} LOGIN`);
    await until(() => app.configReloader.active?.generation === 3, 10_000, "generation 3");
    await stop();
    await other.drop();
  });

  it("loses no request in 100 reloads under load, the login changed and the old one cut off each time", async () => {
    const file = new ConfigFile();
    file.write(configContent(database.runtime));
    const service = await ServiceProcess.create(file, { AUDIT_WATCH_SECONDS: "0" });
    await service.start();
    const agent = new Agent({ keepAlive: true, maxSockets: 16 });
    const logins = [database.runtime, await database.addLogin()];
    const codes = new Map<number, number>();
    const acked: string[] = [];
    let running = true;
    const load = Array.from({ length: 16 }, async () => {
      while (running) {
        const one = event();
        const { status } = await send(service.url, agent, one);
        codes.set(status, (codes.get(status) ?? 0) + 1);
        if (status === 201) acked.push(one.id);
      }
    });
    for (let i = 1; i <= 100; i++) {
      const login = logins[i % 2] ?? database.runtime;
      // readers varies, so that the digest changes each time.
      file.write(configContent(login, { readers: 1 + (i % 50) }));
      const answer = await fetch(`${service.adminUrl}/reload`, { method: "POST" });
      assert.deepEqual([answer.status, ((await answer.json()) as Status).generation], [200, i + 1]);
      if (i % 10 === 0) {
        // A rotation ends with the old login's connections terminated: their work is repeated on the new pool.
        await database.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1", [
          logins[(i + 1) % 2]?.user,
        ]);
      }
    }
    running = false;
    await Promise.all(load);
    agent.destroy();
    assert.deepEqual([...codes.keys()], [201], JSON.stringify([...codes]));
    assert.ok(acked.length > 500, `${acked.length} requests`);
    const stored = await database.stored();
    assert.deepEqual(
      acked.filter((id) => stored.get(id) !== 1),
      [],
    );
    assert.equal(await service.end("SIGTERM"), 0);
    file.remove();
  });
});
