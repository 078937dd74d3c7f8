import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

/** Milliseconds that it is behind. */
const LATE = 120_000;

/** What a server answers, but by a clock that is two minutes behind. Only for GET. @returns its address, and its end */
export async function mistimed(of: string): Promise<{ url: string; close: () => void }> {
  const server = createServer((request, response) => {
    const { authorization } = request.headers;
    void fetch(`${of}${request.url ?? ""}`, { headers: authorization === undefined ? {} : { authorization } }).then(
      async (answer) => {
        const text = await answer.text();
        const seconds = (_: string, name: string, time: string) => `${name}${Number(time) - LATE / 1000}`;
        response.setHeader("date", new Date(Date.now() - LATE).toUTCString());
        response.writeHead(answer.status, { "content-type": answer.headers.get("content-type") ?? "text/plain" });
        // As Vault tells its time.
        response.end(text.replace(/("server_time_utc":)(\d+)/, seconds));
      },
      (error: unknown) => response.destroy(error as Error),
    );
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, close: () => server.close() };
}
