import assert from "node:assert/strict";
import http from "node:http";
import { type Socket, connect } from "node:net";
import pg from "pg";
import { type TestDatabase, createDatabase } from "./support/database.js";
import { event, send } from "./support/events.js";
import { pause, until, withDatabase } from "./support/postgres.js";
import { ConfigFile, ServiceProcess, configContent, tokens } from "./support/service.js";

describe("stopping", function () {
  this.timeout(60_000);
  let database: TestDatabase;
  before(async () => {
    database = await createDatabase();
  });
  after(() => database.drop());

  it("stops with exit code 0 at once when idle, keep-alive connections open or not", async () => {
    const file = new ConfigFile();
    file.write(configContent(database.runtime));
    const service = await ServiceProcess.create(file);
    await service.start();
    assert.equal(await service.answers("/healthz"), true);
    const began = Date.now();
    assert.equal(await service.end("SIGTERM"), 0);
    assert.ok(Date.now() - began < 3000);
    file.remove();
  });

  it("stores what comes over an idle connection just after the stop began, and takes no new connection", async () => {
    const file = new ConfigFile();
    file.write(configContent(database.runtime));
    const service = await ServiceProcess.create(file);
    await service.start();
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    const send = (): Promise<{ status: number | undefined; connection: string | undefined; reused: boolean }> =>
      new Promise((resolve, reject) => {
        const headers = { authorization: `Bearer ${tokens.anyWriter}`, "content-type": "application/json" };
        const sent = http.request(`${service.url}/v1/events`, { method: "POST", agent, headers }, (answer) => {
          answer.resume().on("end", () => {
            const { connection } = answer.headers;
            resolve({ status: answer.statusCode, connection, reused: sent.reusedSocket });
          });
        });
        sent.on("error", reject).end(JSON.stringify(event()));
      });
    assert.deepEqual(await send(), { status: 201, connection: "keep-alive", reused: false });
    const ended = service.end("SIGTERM");
    await until(async () => !(await service.answers("/healthz")), 450, "the refusal of new connections");
    assert.deepEqual(await send(), { status: 201, connection: "close", reused: true });
    assert.equal(await ended, 0);
    file.remove();
  });

  it("stops with exit code 0, the request that has arrived answered, though other connections never send one", async () => {
    const file = new ConfigFile();
    file.write(configContent(database.runtime));
    const service = await ServiceProcess.create(file);
    await service.start();
    const open = async (port: number, text: string): Promise<Socket> => {
      const socket = connect(port, "127.0.0.1").on("error", () => undefined);
      await new Promise((resolve) => socket.resume().write(text, resolve));
      return socket;
    };
    const whole = "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n";
    const sockets = [
      await open(service.port, ""),
      await open(service.port, "GET /healthz HTTP/1.1\r\nHost: a\r\n"),
      await open(service.port, `${whole}GET /he`),
      await open(
        service.port,
        `POST /v1/events HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${tokens.anyWriter}\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{`,
      ),
      await open(service.adminPort, ""),
    ];
    const lock = new pg.Client({ connectionString: withDatabase(database.server.url, database.name) });
    await lock.connect();
    await lock.query("BEGIN; LOCK TABLE audit.ids IN ACCESS EXCLUSIVE MODE");
    const agent = new http.Agent({ keepAlive: true });
    const answer = send(service.url, agent, event());
    await until(() => service.busy(1), 5000, "the event that waits");
    const began = Date.now();
    const ended = service.end("SIGTERM");
    await pause(1000);
    await lock.end();
    assert.equal((await answer).status, 201);
    assert.equal(await ended, 0);
    assert.ok(Date.now() - began < 8000, `${Date.now() - began} ms`);
    agent.destroy();
    for (const socket of sockets) socket.destroy();
    file.remove();
  });
});
