import assert from "node:assert/strict";
import { connect, type Socket } from "node:net";
import { startLoad, withoutLoss } from "./support/load";
import { attached, until } from "./support/sandbox";

const CLIENTS = 200;

describe("scenario: clients that are slow on purpose", function () {
  const sandbox = attached();
  const sockets: Socket[] = [];

  after(() => {
    for (const socket of sockets) socket.destroy();
  });

  it("do not block others, and one that never ends its headers is disconnected", async () => {
    const { hostname, port } = new URL(sandbox().get("AUDIT_URL"));
    let open = 0;
    /** Sends the beginning at once, then a byte a second until it is disconnected. */
    const slow = (beginning: string): Promise<Socket> =>
      new Promise((done, fail) => {
        const socket = connect(Number(port), hostname, () => {
          open += 1;
          socket.write(beginning);
          const drip = setInterval(() => socket.write("a"), 1000);
          socket.on("close", () => {
            open -= 1;
            clearInterval(drip);
          });
          done(socket);
        });
        sockets.push(socket);
        socket.resume();
        socket.on("error", (error: NodeJS.ErrnoException) => {
          if (error.code !== "ECONNRESET" && error.code !== "EPIPE") fail(error);
        });
      });
    const head = "POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n";
    const headers = await Promise.all(Array.from({ length: CLIENTS / 2 }, () => slow(`${head}X-Slow: `)));
    // With a token: without one, a body that nginx would have to store is refused at once.
    const token = `Authorization: Bearer ${sandbox().get("AUDIT_TOKEN")}\r\n`;
    const bodies = await Promise.all(
      Array.from({ length: CLIENTS / 2 }, () => slow(`${head}${token}Content-Length: 100000\r\n\r\n`)),
    );
    assert.equal(open, CLIENTS, "all of them are connected at once");

    const load = startLoad({
      url: sandbox().get("AUDIT_URL"),
      token: sandbox().get("AUDIT_TOKEN"),
      application: "demo",
    });
    await until("those that never end their headers are cut off", 60, () =>
      Promise.resolve(headers.every((socket) => socket.destroyed) ? true : undefined),
    );
    const { stored } = withoutLoss(await load.stop());
    assert.ok(stored > 100, `only ${stored} requests were sent`);
    assert.ok(
      bodies.every((socket) => !socket.destroyed),
      "a body that goes on coming is waited for",
    );
  });
});
