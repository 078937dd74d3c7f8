import assert from "node:assert/strict";
import { createServer, request, type IncomingMessage } from "node:http";
import { connect, type AddressInfo, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { NginxAlone } from "./support/nginx-alone";
import { exchange, statuses } from "./support/raw";
import { until } from "./support/sandbox";

const TOKEN = "Authorization: Bearer known\r\n";
const MIB = 1024 * 1024;
const EXPORT_MIB = 48;

describe("scenario: what nginx stores of requests and answers", function () {
  this.timeout(120_000);
  /** The service's answer to a token check; undefined = none, as if it hung. */
  let access = (authorization: string | undefined): number | undefined =>
    authorization === "Bearer known" ? 204 : 401;
  let checks = 0;
  let nginx: NginxAlone;
  let sockets: Socket[] = [];

  const service = createServer((asked, response) => {
    if (asked.url === "/v1/access") {
      checks += 1;
      const status = access(asked.headers.authorization);
      if (status === undefined) return;
      response.writeHead(status, status === 401 ? { "www-authenticate": 'Bearer realm="audit"' } : {}).end();
    } else if (asked.url === "/v1/events/export") {
      const piece = Buffer.alloc(MIB, "a line of the export that is as long as it is\n");
      let left = EXPORT_MIB;
      const more = (): void => {
        while (left > 0) {
          left -= 1;
          if (!response.write(piece)) return void response.once("drain", more);
        }
        response.end();
      };
      more();
    } else asked.resume().on("end", () => response.writeHead(201).end("{}"));
  });

  before(async () => {
    await new Promise<void>((listening) => service.listen(0, "127.0.0.1", () => listening()));
    nginx = await NginxAlone.start((service.address() as AddressInfo).port);
  });
  afterEach(async () => {
    for (const socket of sockets) socket.destroy();
    sockets = [];
    access = (authorization) => (authorization === "Bearer known" ? 204 : 401);
    await until("/tmp is empty again", 40, async () => ((await stored()) < MIB ? true : undefined));
  });
  after(async () => {
    await nginx?.stop();
    service.closeAllConnections();
    service.close();
  });

  /** Bytes in nginx's /tmp, including deleted but open files. */
  const stored = async (): Promise<number> =>
    Number((await nginx.inside("df", "-B1", "--output=used", "/tmp")).split("\n").at(-1));

  const head = (lines: string, method = "POST", path = "/v1/events") =>
    `${method} ${path} HTTP/1.1\r\nHost: x\r\n${lines}\r\n`;

  /** Sends a head and most of the announced body, then continues byte by byte. @returns the answer so far */
  function slow(beginning: string, body: Buffer): { answer: () => string } {
    let answer = "";
    const { hostname, port } = new URL(nginx.url);
    const socket = connect(Number(port), hostname, () => {
      socket.write(beginning);
      socket.write(body);
    });
    const drip = setInterval(() => socket.write("a"), 1000);
    socket.on("data", (data: Buffer) => (answer += data.toString("latin1")));
    socket.on("error", () => undefined);
    socket.on("close", () => clearInterval(drip));
    sockets.push(socket);
    return { answer: () => answer };
  }

  /** A whole body at once. */
  const post = (bytes: number, token = TOKEN) =>
    exchange(
      nginx.url,
      Buffer.concat([
        Buffer.from(head(`${token}Connection: close\r\nContent-Length: ${bytes}\r\n`)),
        Buffer.alloc(bytes, "a"),
      ]),
      5_000,
    );

  const body = Buffer.alloc(1_900_000, "a");
  const chunk = Buffer.concat([Buffer.from(`${(2_000_000).toString(16)}\r\n`), body]);
  const announced = "Content-Length: 2000000\r\n";

  it("stores nothing for 34 slow bodies from one address without a token", async () => {
    const clients = Array.from({ length: 34 }, (_, i) =>
      i % 2 === 0 ? slow(head(announced), body) : slow(head("Transfer-Encoding: chunked\r\n"), chunk),
    );
    await until("all of them are refused", 20, () =>
      Promise.resolve(clients.every(({ answer }) => statuses(answer()).includes(401)) ? true : undefined),
    );
    assert.ok((await stored()) < MIB, `${await stored()} bytes are stored`);
    assert.deepEqual(statuses(await post(1_500_000)), [201], "who has a token is served meanwhile");
    const [first] = clients;
    assert.match(first?.answer() ?? "", /\r\nWWW-Authenticate: Bearer realm="audit"\r\n/i);
    const answer = JSON.parse(first?.answer().split("\r\n\r\n")[1] ?? "") as { error: string; requestId: string };
    assert.equal(answer.error, "no_token");
    assert.match(answer.requestId, /^[0-9a-f]{32}$/);
  });

  it("stores nothing for a body on a read-only route, even during a reload", async () => {
    const reads = ["/healthz", "/v1/events/export", "/openapi.json"];
    const ask = () =>
      reads.flatMap((path) => [
        slow(head(announced, "GET", path), body),
        slow(head("Transfer-Encoding: chunked\r\n", "GET", path), chunk),
      ]);
    const refused = async (clients: { answer: () => string }[], status: number) => {
      await until(`all of them are answered ${status}`, 20, () =>
        Promise.resolve(clients.every(({ answer }) => statuses(answer()).includes(status)) ? true : undefined),
      );
      assert.ok((await stored()) < MIB, `${await stored()} bytes are stored`);
    };
    await refused(ask(), 413);
    await refused([slow(head(announced, "GET"), body)], 401);
    await nginx.inside("touch", "/tmp/closing");
    try {
      await refused(ask(), 413);
      await refused([slow(head(announced), body)], 401);
      assert.match(await post(1_500_000), /^HTTP\/1\.1 201 [^]*\r\nConnection: close\r\n/i);
    } finally {
      await nginx.inside("rm", "/tmp/closing");
    }
  });

  it("checks no token for a body that stays in memory", async () => {
    checks = 0;
    assert.deepEqual(statuses(await post(9_999, "")), [201], "the service itself judges it");
    assert.equal(checks, 0);
    assert.deepEqual(statuses(await post(10_000, "")), [401]);
    assert.equal(checks, 1);
  });

  it("answers 503 with Retry-After, and never 500, when there is no room for more", async () => {
    const clients = Array.from({ length: 40 }, () => slow(head(TOKEN + announced), body));
    const refused = await until("some find no room", 20, () => {
      const answers = clients.map(({ answer }) => answer()).filter((answer) => answer !== "");
      return Promise.resolve(answers.length > 0 ? answers : undefined);
    });
    for (const answer of refused) assert.match(answer, /^HTTP\/1\.1 503 [^]*\r\nRetry-After: 1\r\n/);
    assert.deepEqual(statuses(await post(300)), [201], "what is small needs no room");
  });

  it("accepts a body if the image has no token check, and none while the check fails", async () => {
    for (const unknown of [301, 307, 400, 404, 405, 501]) {
      access = () => unknown;
      assert.deepEqual(statuses(await post(1_500_000, "")), [201], String(unknown));
    }
    access = () => 503;
    assert.match(await post(1_500_000), /^HTTP\/1\.1 503 [^]*\r\nRetry-After: 1\r\n/);
    access = () => undefined;
    assert.match(await post(1_500_000), /^HTTP\/1\.1 503 [^]*\r\nRetry-After: 1\r\n/, "a replica that hangs");
  });

  it("passes on a whole answer that does not fit into /tmp, to a reader that pauses", async () => {
    const answer = await new Promise<IncomingMessage>((done, fail) => {
      request(`${nginx.url}/v1/events/export`, done).on("error", fail).end();
    });
    let bytes = 0;
    for await (const data of answer) {
      const before = bytes;
      bytes += (data as Buffer).length;
      if (Math.floor(before / (16 * MIB)) === Math.floor(bytes / (16 * MIB))) continue;
      assert.ok((await stored()) < MIB, `${await stored()} bytes are stored`);
      await sleep(bytes < 32 * MIB ? 15_000 : 500);
    }
    assert.equal(bytes, EXPORT_MIB * MIB);
  });
});
