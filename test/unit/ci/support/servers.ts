import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";

export interface Asked {
  method: string;
  path: string;
  headers: IncomingMessage["headers"];
  body: string;
}

export interface Answer {
  status?: number;
  headers?: Record<string, string>;
  body?: unknown;
}

/** An HTTP server that answers with a function and records requests. {@link closeAll} closes it. */
export interface Double {
  readonly url: string;
  readonly asked: Asked[];
}

const open: Server[] = [];

export async function double(answer: (request: Asked) => Answer): Promise<Double> {
  const asked: Asked[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const seen = {
        method: request.method ?? "",
        path: request.url ?? "",
        headers: request.headers,
        body: Buffer.concat(chunks).toString(),
      };
      asked.push(seen);
      const { status = 200, headers = {}, body = {} } = answer(seen);
      response.writeHead(status, { connection: "close", ...headers });
      response.end(typeof body === "string" || Buffer.isBuffer(body) ? body : JSON.stringify(body));
    });
  });
  open.push(server);
  await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked };
}

/** For `afterEach`. */
export function closeAll(): void {
  for (const server of open.splice(0)) server.close();
}
