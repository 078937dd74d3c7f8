import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseConfig } from "../src/config.js";
import { Metrics } from "../src/metrics.js";
import { DatabaseCapacity } from "../src/database-capacity.js";
import { Storage } from "../src/storage.js";
import { type TestDatabase, createDatabase } from "./support/database.js";
import { event, get, post } from "./support/events.js";
import { ORIGIN, newKey } from "./support/log.js";
import { freePort, until } from "./support/postgres.js";
import { ConfigFile, ServiceProcess, configContent, program, startApp, tokens } from "./support/service.js";

interface Document {
  openapi: string;
  paths: Record<
    string,
    Record<
      string,
      {
        responses: Record<string, { content?: Record<string, { schema: unknown }> }>;
        security?: unknown[];
        requestBody?: { content: Record<string, unknown> };
      }
    >
  >;
}

describe("operation", function () {
  this.timeout(60_000);
  let database: TestDatabase;
  before(async () => {
    database = await createDatabase();
  });
  after(() => database.drop());

  it("serves OpenAPI 3.1 with a schema for every status of every route", async () => {
    const { app, stop } = await startApp(database.runtime);
    const document = (await app.main.inject("/openapi.json")).json<Document>();
    assert.match(document.openapi, /^3\.1\./);
    assert.deepEqual(Object.keys(document.paths).sort(), [
      "/healthz",
      "/log/checkpoint",
      "/log/tile/{*}",
      "/log/witnessed",
      "/metrics",
      "/readyz",
      "/v1/access",
      "/v1/events",
      "/v1/events/export",
      "/v1/events/{id}/proof",
    ]);
    const events = document.paths["/v1/events"];
    assert.deepEqual(Object.keys(events?.post?.responses ?? {}), [
      "201",
      "400",
      "401",
      "403",
      "409",
      "413",
      "415",
      "500",
      "503",
    ]);
    assert.deepEqual(Object.keys(events?.get?.responses ?? {}), ["200", "400", "401", "403", "500", "503"]);
    assert.deepEqual(Object.keys(events?.post?.requestBody?.content ?? {}), [
      "application/json",
      "application/x-ndjson",
    ]);
    for (const route of Object.values(document.paths)) {
      for (const operation of Object.values(route)) {
        for (const [status, response] of Object.entries(operation.responses))
          // An answer without content needs no schema.
          if (status !== "204") assert.ok(Object.values(response.content ?? {})[0]?.schema, status);
      }
    }
    await stop();
  });

  it("counts requests and events, and shows build and release, with a limited set of labels", async () => {
    const { app, stop } = await startApp(database.runtime, { applications: 3 });
    for (const application of ["a", "b", "c", "d", "billing"])
      await post(app.main, [event({ application }), event({ application })]);
    await post(app.main, "{");
    await app.main.inject({ method: "GET", url: "/v1/unknown/path?x=1" });
    await app.main.inject({ method: "PROPFIND" as "GET", url: "/x" });
    const text = (await app.main.inject("/metrics")).body;
    const has = (line: string): void =>
      assert.ok(
        text.includes(`\n${line}\n`),
        `${line} is not in\n${text
          .split("\n")
          .filter((l) => l.startsWith(line.split("{")[0] ?? ""))
          .join("\n")}`,
      );
    has('audit_events_total{application="billing"} 2');
    has('audit_events_total{application="a"} 2');
    has('audit_events_total{application="b"} 2');
    has('audit_events_total{application="other"} 4');
    has('http_requests_total{method="POST",route="/v1/events",code="201"} 5');
    has('http_requests_total{method="POST",route="/v1/events",code="400"} 1');
    has('http_requests_total{method="GET",route="unmatched",code="404"} 1');
    has('http_requests_total{method="other",route="unmatched",code="404"} 1');
    has('http_request_duration_seconds_count{method="POST",route="/v1/events"} 6');
    has("audit_ingest_queue_depth 0");
    has("audit_ingest_batch_size_sum 10");
    has("audit_schema_version 7");
    has('audit_build_info{version="0.1.0",release="unknown"} 1');
    has('audit_db_pool_connections{state="waiting"} 0');
    assert.match(text, /\naudit_db_pool_connections\{state="idle"\} [1-9]/);
    assert.match(text, /\naudit_config_last_reload_timestamp_seconds \d{10}/);
    assert.match(text, /\nprocess_resident_memory_bytes \d+/);
    for (const line of text.split("\n").filter((l) => l.startsWith("# HELP")))
      assert.ok(line.split(" ").length > 4, line);
    await stop();
  });

  it("refuses in the common format, and counts, what Fastify itself refuses", async () => {
    const { app, file, stop } = await startApp(database.runtime);
    file.write({
      ...configContent(database.runtime),
      log: { origin: ORIGIN, signer: { privateKey: newKey().privateKey } },
    });
    assert.equal((await app.configReloader.reload()).result, "applied");
    const headers = { authorization: `Bearer ${tokens.reader}`, "content-type": "text/plain", "x-request-id": "mine" };
    const refused = async (method: "GET" | "POST", url: string, status: number, error: string): Promise<void> => {
      const payload = method === "POST" ? { payload: "x".repeat(20_000) } : {};
      const answer = await app.main.inject({ method, url, headers, ...payload });
      const { message, ...body } = answer.json<Record<string, unknown>>();
      assert.deepEqual([answer.statusCode, body], [status, { error, requestId: "mine" }], url);
      assert.ok(typeof message === "string" && !message.includes(url), url);
    };
    await refused("GET", "/%zz", 400, "bad_request");
    await refused("GET", "/v1/events/%zz/proof", 400, "bad_request");
    await refused("GET", `/v1/events/${"a".repeat(101)}/proof`, 404, "not_found");
    await refused("GET", "/v1/nothing", 404, "not_found");
    await refused("POST", "/log/witnessed", 413, "too_large");
    const text = (await app.main.inject("/metrics")).body;
    for (const [counted, count] of [
      ['method="GET",route="unmatched",code="400"', 2],
      ['method="GET",route="unmatched",code="404"', 2],
      ['method="POST",route="/log/witnessed",code="413"', 1],
    ] as const)
      assert.ok(text.includes(`\nhttp_requests_total{${counted}} ${count}\n`), counted);
    await stop();
  });

  it("knows the database's size and the end of its partitions, and creates those that are due", async () => {
    const { app, stop } = await startApp(database.runtime);
    const figure = async (name: string): Promise<number | undefined> => {
      const line = new RegExp(`^${name} (.+)$`, "m").exec((await app.main.inject("/metrics")).body);
      return line === null ? undefined : Number(line[1]);
    };
    const month = (ahead: number): number => {
      const now = new Date();
      return Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + ahead) / 1000;
    };
    assert.equal(await figure("audit_partitions_end_timestamp_seconds"), undefined, "before it was asked");
    await until(async () => (await figure("audit_database_size_bytes")) !== undefined, 10_000, "the size");
    assert.ok(((await figure("audit_database_size_bytes")) ?? 0) > 1_000_000);
    assert.equal(await figure("audit_partitions_end_timestamp_seconds"), month(4));
    await stop();

    const suffix = (ahead: number): string => new Date(month(ahead) * 1000).toISOString().slice(0, 7).replace("-", "_");
    const tables = [1, 2, 3].flatMap((n) => [`audit.events_${suffix(n)}`, `audit.ids_${suffix(n)}`]);
    await database.query(`DROP TABLE ${tables.join(", ")}`);
    const metrics = new Metrics({ version: "1", release: "r" });
    const config = parseConfig(Buffer.from(JSON.stringify(configContent(database.runtime))));
    const storage = new Storage(config, metrics, app.main.log);
    assert.equal((await storage.capacity()).partitionsEnd / 1000, month(1));
    await new DatabaseCapacity(metrics, () => storage).refresh();
    assert.equal((await metrics.partitionsEnd.get()).values[0]?.value, month(4));
    await storage.close();
  });

  it("logs JSON lines with the request's id, and neither content nor secrets", async () => {
    const file = new ConfigFile();
    file.write(configContent(database.runtime));
    const service = await ServiceProcess.create(file, { AUDIT_LOG_LEVEL: "trace" });
    await service.start();
    const call = (body: string, token: string): Promise<Response> =>
      fetch(`${service.url}/v1/events?actor=private-query`, {
        method: "POST",
        body,
        headers: { authorization: `Bearer ${token}`, "content-type": "application/json", "x-request-id": "my-own-id" },
      });
    assert.equal((await call(JSON.stringify(event({ actor: "private-actor" })), tokens.anyWriter)).status, 201);
    const refused = await call('{"actor":"private-actor" "', tokens.anyWriter);
    assert.equal(((await refused.json()) as { requestId: string }).requestId, "my-own-id");
    await call("{}", "private-token");
    assert.equal(await service.end("SIGTERM"), 0);
    const lines = service.log
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    assert.ok(
      lines.some((line) => line.reqId === "my-own-id"),
      service.log,
    );
    assert.ok(lines.every((line) => typeof line.time === "string" && typeof line.level === "string"));
    assert.doesNotMatch(service.log, /private|secret-|writer-of|Bearer/);
    file.remove();
  });

  it("has /reload on the main port when it has only one", async () => {
    const file = new ConfigFile();
    file.write(configContent(database.runtime));
    const service = await ServiceProcess.create(file, { AUDIT_ADMIN_LISTEN: "off" });
    await service.start();
    assert.equal((await fetch(`${service.url}/reload`, { method: "POST" })).status, 200);
    assert.equal(await service.end("SIGTERM"), 0);
    file.remove();
  });

  const run = (
    args: string[],
    env: Record<string, string> = {},
  ): Promise<{ code: number | null; out: string; err: string }> =>
    new Promise((resolve) => {
      const child = spawn(process.execPath, [program(), ...args], {
        env: { PATH: process.env.PATH ?? "", ...env },
        stdio: ["ignore", "pipe", "pipe"],
      });
      let [out, err] = ["", ""];
      child.stdout.on("data", (chunk: Buffer) => (out += chunk.toString()));
      child.stderr.on("data", (chunk: Buffer) => (err += chunk.toString()));
      child.on("exit", (code) => resolve({ code, out, err }));
    });

  it("reports mistakes in one message with exit code 2", async () => {
    const port = await freePort();
    const cases: [string[], Record<string, string>, string][] = [
      [
        ["serve"],
        { AUDIT_LISTEN: "x" },
        'audit-svc: AUDIT_LISTEN: "x" is not an address; write it as host:port, for example 0.0.0.0:8080 or [::]:8080.\n',
      ],
      [
        ["serve"],
        { AUDIT_LISTEN: "203.0.113.1:1" },
        "audit-svc: AUDIT_LISTEN: cannot listen on 203.0.113.1:1: EADDRNOTAVAIL.\n",
      ],
      [["generate"], {}, "audit-svc: generate: --token-file is needed: a file with a writer's token.\n"],
      [["generate", "--token-file", "/nowhere"], {}, "audit-svc: generate: cannot read /nowhere: ENOENT.\n"],
      [
        ["generate", "--token-file", "/nowhere", "--rate", "x"],
        {},
        "audit-svc: generate: cannot read /nowhere: ENOENT.\n",
      ],
      [["health", "--dead"], {}, 'audit-svc: health: unknown argument "--dead"; only --live is known.\n'],
    ];
    for (const [args, env, err] of cases) {
      assert.deepEqual(await run(args, { AUDIT_LOG_LEVEL: "silent", ...env }), { code: 2, out: "", err });
    }
    const unknown = await run(["sevre"]);
    assert.deepEqual([unknown.code, unknown.err.split("\n")[0]], [2, 'audit-svc: unknown command "sevre".']);
    assert.equal((await run(["health"], { AUDIT_LISTEN: `127.0.0.1:${port}` })).code, 1);
  });

  it("generates events, verifies them, and fails when one is gone", async () => {
    const file = new ConfigFile();
    file.write(configContent(database.runtime));
    const service = await ServiceProcess.create(file);
    await service.start();
    const path = (name: string, content: string): string => {
      const target = join(file.directory, name);
      writeFileSync(target, content);
      return target;
    };
    const args = [
      "generate",
      "--url",
      service.url,
      "--token-file",
      path("any", `${tokens.anyWriter}\n`),
      "--reader-token-file",
      path("reader", tokens.reader),
      "--verify",
      "--duration",
      "2",
      "--quiet",
    ];
    const good = await run([...args, "--applications", "3", "--rate", "100"]);
    assert.equal(good.code, 0, good.err);
    const summary = JSON.parse(good.out) as Record<string, number>;
    assert.deepEqual(
      [summary.sent, summary.acked, summary.rejected, summary.missing, summary.twice],
      [200, 200, 0, 0, 0],
    );
    assert.ok((summary.p50 ?? 0) > 0 && (summary.p99 ?? 0) >= (summary.p50 ?? 0));

    const { app, stop } = await startApp(database.runtime);
    const seen = (await get(app.main, "/v1/events?limit=1000"))
      .json<{ events: { application: string }[] }>()
      .events.map((e) => e.application);
    assert.ok(["billing", "identity", "orders"].every((name) => seen.includes(name)));
    await stop();

    const mine = await run([
      ...args.slice(0, 3),
      "--token-file",
      path("mine", `billing ${tokens.writer}\n`),
      "--duration",
      "1",
      "--rate",
      "50",
      "--batch",
      "5",
      "--quiet",
    ]);
    assert.deepEqual([mine.code, (JSON.parse(mine.out) as Record<string, number>).acked], [0, 50]);

    const wrong = await run([
      ...args.slice(0, 3),
      "--token-file",
      path("wrong", "nobody"),
      "--duration",
      "1",
      "--rate",
      "5",
      "--quiet",
    ]);
    assert.deepEqual([wrong.code, (JSON.parse(wrong.out) as Record<string, number>).rejected], [1, 5]);

    // Somebody with more rights than the service deletes events while they come in; generate must notice.
    const running = run([...args, "--rate", "100"]);
    await until(
      async () =>
        (
          await database.query(
            "DELETE FROM audit.events WHERE id IN (SELECT id FROM audit.events WHERE recorded_at > now() - interval '500 ms' LIMIT 3) RETURNING 1",
          )
        ).length === 3,
      10_000,
      "three events to delete",
    );
    const bad = await running;
    assert.equal(bad.code, 1);
    assert.ok(Number((JSON.parse(bad.out) as Record<string, number>).missing) >= 3, bad.out);
    assert.equal(await service.end("SIGTERM"), 0);
    file.remove();
  });
});
