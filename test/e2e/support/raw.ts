import { connect } from "node:net";

/** Sends bytes and reads until the other side closes or is silent for the given time. */
export function exchange(url: string, bytes: Buffer, quietMs = 700): Promise<string> {
  const { hostname, port } = new URL(url);
  return new Promise((done, fail) => {
    let text = "";
    const socket = connect(Number(port), hostname, () => socket.write(bytes));
    socket.setTimeout(quietMs, () => socket.destroy());
    socket.on("data", (chunk: Buffer) => (text += chunk.toString("latin1")));
    socket.on("error", (error: NodeJS.ErrnoException) => (error.code === "ECONNRESET" ? undefined : fail(error)));
    socket.on("close", () => done(text));
  });
}

/** The status of each answer, in order; one without a status line (HTTP/0.9) is recognised by its body. */
export function statuses(text: string): number[] {
  const found = [...text.matchAll(/HTTP\/1\.[01] (\d{3}) /g)].map((match) => Number(match[1]));
  if (found.length > 0 || text === "") return found;
  return [text.includes('"error":"not_found"') ? 404 : text.includes('"error":"bad_request"') ? 400 : 0];
}
