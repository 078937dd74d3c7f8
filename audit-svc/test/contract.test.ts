import assert from "node:assert/strict";
import { chmodSync } from "node:fs";
import { Agent } from "node:http";
import { connect } from "node:net";
import { dirname } from "node:path";
import type { DatabaseConfig } from "../src/config.js";
import { docker, hasDocker, logs, nodeImage, onePortImage, run, stop } from "./support/containers.js";
import { type TestDatabase, createDatabase } from "./support/database.js";
import { event, send } from "./support/events.js";
import { freePort, pause, until } from "./support/postgres.js";
import { ConfigFile, configContent, imageEnv, program, tokens } from "./support/service.js";

/** An image that keeps the rows of CONTRACT.md marked "all". */
interface Make {
  readonly what: string;
  /** Arguments before the command: the image, and what it needs to start. */
  readonly image: () => string[];
  /** Whether /reload has its own port. */
  readonly adminPort: boolean;
}

const makes: Make[] = [
  {
    what: "this service",
    adminPort: true,
    // As its Dockerfile does it, without the build of an image.
    image: () => {
      chmodSync(dirname(program()), 0o755);
      const mount = ["-v", `${dirname(program())}:/app:ro`, "--user", "10001:10001"];
      for (const [name, value] of Object.entries(imageEnv())) mount.push("-e", `${name}=${value}`);
      return [...mount, "--entrypoint", "/usr/bin/env", nodeImage(), "node", "/app/main.js"];
    },
  },
  { what: "another implementation with one port", adminPort: false, image: () => [onePortImage()] },
];

// As AuditService runs a container.
const hardened = ["--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--pids-limit", "100"];

for (const make of makes) {
  describe(`the contract, kept by ${make.what}`, function () {
    this.timeout(60_000);
    let database: TestDatabase;
    let file: ConfigFile;
    let command: string[];
    let url: string;
    let adminUrl: string;
    let name: string | undefined;

    before(async function () {
      // The image may have to be built without Docker's cache.
      this.timeout(300_000);
      if (!hasDocker()) return this.skip();
      command = [...hardened, ...make.image()];
      database = await createDatabase({ migrated: false });
      file = new ConfigFile();
      chmodSync(file.directory, 0o755);
    });
    after(async () => {
      if (name !== undefined) stop(name);
      file?.remove();
      await database?.drop();
    });
    afterEach(function () {
      if (this.currentTest?.state === "failed" && name !== undefined) console.error(logs(name));
    });

    const migrate = (owner: DatabaseConfig): string =>
      docker(
        ["run", "--rm", "-i", "--network", "host", "-e", "AUDIT_CONFIG_FILE=/dev/stdin", ...command, "migrate"],
        JSON.stringify({ database: owner, runtimeRole: database.runtimeRole }),
      );
    const start = async (): Promise<void> => {
      const [port, adminPort] = [await freePort(), await freePort()];
      url = `http://127.0.0.1:${port}`;
      adminUrl = make.adminPort ? `http://127.0.0.1:${adminPort}` : url;
      const listen = ["-e", `AUDIT_LISTEN=127.0.0.1:${port}`, "-e", `AUDIT_ADMIN_LISTEN=127.0.0.1:${adminPort}`];
      name = run(["-v", `${file.directory}:/run/audit:ro`, ...listen, ...command]);
      await until(async () => (await status("/readyz")) === 200, 30_000, "ready");
    };
    const status = async (path: string): Promise<number> =>
      fetch(url + path).then(
        (answer) => answer.status,
        () => 0,
      );
    const post = (body: object, token = tokens.anyWriter): Promise<Response> =>
      fetch(`${url}/v1/events`, {
        method: "POST",
        headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
        body: JSON.stringify(body),
      });
    const read = (token = tokens.reader): Promise<Response> =>
      fetch(`${url}/v1/events?limit=1000`, { headers: { authorization: `Bearer ${token}` } });
    const ids = async (): Promise<string[]> =>
      ((await (await read()).json()) as { events: { id: string }[] }).events.map(({ id }) => id);

    it("migrate prepares the database, can be repeated, and fails when it cannot", () => {
      assert.throws(
        () => migrate({ ...database.owner, name: "nowhere" }),
        (error: Error) => !error.message.includes(database.owner.password),
      );
      migrate(database.owner);
      migrate(database.owner);
    });

    it("takes the file of AuditService, and is ready once it can store", async () => {
      file.write(configContent(database.runtime));
      await start();
      assert.equal(await status("/healthz"), 200);
    });

    it("stores an event for a writer and gives it back to a reader, and to nobody else", async () => {
      const one = event();
      const answer = await post(one);
      assert.deepEqual([answer.status, await answer.json()], [201, { ids: [one.id] }]);
      assert.equal((await post(one)).status, 201);
      assert.deepEqual([(await post(event(), "nobody")).status, (await read("nobody")).status], [401, 401]);
      assert.deepEqual(
        [(await post(event(), tokens.reader)).status, (await read(tokens.anyWriter)).status],
        [403, 403],
      );
      const refused = await post(event({ actor: 1 }));
      assert.ok(refused.status >= 400 && refused.status < 500, `${refused.status}`);
      assert.deepEqual(await ids(), [one.id]);
    });

    it("keeps a writer and a reader with an application to that application", async () => {
      const [own, foreign] = [event(), event({ application: "identity" })];
      assert.equal((await post(own, tokens.writer)).status, 201);
      assert.equal((await post(foreign, tokens.writer)).status, 403);
      assert.equal((await post(foreign)).status, 201);
      const seen = async (token: string): Promise<unknown[]> => {
        const { events } = (await (await read(token)).json()) as { events: { id: string; application: string }[] };
        assert.ok(events.some(({ id }) => id === own.id));
        return [...new Set(events.map(({ application }) => application))].sort();
      };
      assert.deepEqual(await seen(tokens.billingReader), ["billing"]);
      assert.deepEqual(await seen(tokens.reader), ["billing", "identity"]);
    });

    it("keeps an idle connection open for longer than nginx does", async () => {
      const { hostname, port } = new URL(url);
      const socket = connect(Number(port), hostname);
      let answers = "";
      let ended = false;
      socket.on("data", (chunk: Buffer) => (answers += chunk.toString()));
      socket.on("end", () => (ended = true));
      const ask = () => socket.write(`GET /healthz HTTP/1.1\r\nhost: ${hostname}\r\n\r\n`);
      ask();
      await until(() => answers.includes("HTTP/1.1 200"), 5_000, "an answer");
      await pause(4_600);
      assert.ok(!ended, "it was ended within 4.6 s");
      answers = "";
      ask();
      await until(() => answers.includes("HTTP/1.1 200"), 5_000, "an answer on the same connection");
      socket.destroy();
    });

    it("shows metrics in Prometheus's format, with those that the dashboards need", async () => {
      const answer = await fetch(`${url}/metrics`);
      assert.match(answer.headers.get("content-type") ?? "", /^text\/plain; /);
      const text = await answer.text();
      for (const line of text.split("\n"))
        assert.match(line, /^(#.*|[a-zA-Z_:][\w:]*(\{.*\})? (NaN|[+-]Inf|[-+.\de]+))?$/, "a line of /metrics");
      assert.match(text, /^audit_events_total\{application="billing"\} \d/m);
      assert.match(text, /^http_requests_total\{.*code="201".*\} \d/m);
      assert.match(text, /^audit_config_generation 1(\.0)?$/m);
    });

    it("POST /reload is 2xx only when the new file is in force", async () => {
      const reload = async (): Promise<number> => (await fetch(`${adminUrl}/reload`, { method: "POST" })).status;
      const { runtime } = database;
      for (const bad of ["{", configContent({ ...runtime, port: 1 })]) {
        file.write(bad);
        const code = await reload();
        assert.ok(code >= 400, `${code} for ${JSON.stringify(bad)}`);
        assert.equal((await post(event())).status, 201);
      }
      const next = configContent(await database.addLogin());
      next.tokens = (next.tokens as { name: string }[]).filter((token) => token.name !== "any");
      file.write(next);
      assert.ok((await reload()) < 300);
      assert.equal((await post(event())).status, 401, "a token that was taken out");
      assert.equal((await post(event(), tokens.writer)).status, 201);
      file.write(configContent(runtime));
      assert.ok((await reload()) < 300);
      assert.equal(await status("/readyz"), 200);
    });

    it("SIGTERM in mid-load: what was accepted is finished, and the exit code is 0", async () => {
      const acked: string[] = [];
      const codes = new Set<number>();
      const agent = new Agent({ keepAlive: true });
      const load = Promise.all(
        Array.from({ length: 4 }, async () => {
          for (let code = 201; code === 201; await pause(5)) {
            const one = event();
            code = (await send(url, agent, one)).status;
            codes.add(code);
            if (code === 201) acked.push(one.id);
          }
        }),
      );
      await until(() => acked.length >= 40, 20_000, "40 acknowledged events");
      const code = stop(name ?? "");
      name = undefined;
      await load;
      agent.destroy();
      assert.equal(code, 0);
      // 0: the connection is closed or refused, as after a completed stop.
      assert.deepEqual(
        [...codes].filter((one) => ![0, 201, 503].includes(one)),
        [],
      );
      await start();
      const stored = new Set(await ids());
      assert.deepEqual(
        acked.filter((id) => !stored.has(id)),
        [],
      );
    });
  });
}
