import { spawn, type ChildProcessWithoutNullStreams } from "node:child_process";
import { request } from "node:http";
import type { Socket } from "node:net";
import { Duplex } from "node:stream";
import { parsed } from "../json";
import type { Reply } from "./access";

/** API of Docker 19.03 and newer: https://docs.docker.com/reference/api/engine/ */
const API = "/v1.40";

/** Connections at a time: sshd takes ten sessions on one connection, and ten at a time that are not logged in yet. */
const AT_A_TIME = 4;

/**
 * Asks the Docker Engine's API on a host as the docker CLI does over ssh: by `docker system dial-stdio` there. Headers go
 * through that pipe, so a login is in no command line.
 *
 * @param shell the command before a shell line, as remoteShell() of components/vm gives it
 */
export function engineAt(shell: string) {
  let free = AT_A_TIME;
  const waiting: (() => void)[] = [];
  return async (path: string, headers: Readonly<Record<string, string>> = {}): Promise<Reply> => {
    if (free > 0) free -= 1;
    else await new Promise<void>((turn) => waiting.push(turn));
    try {
      return await ask(shell, path, headers);
    } finally {
      const next = waiting.shift();
      if (next === undefined) free += 1;
      else next();
    }
  };
}

function ask(shell: string, path: string, headers: Readonly<Record<string, string>>): Promise<Reply> {
  const child = spawn("sh", ["-c", `exec ${shell} 'docker system dial-stdio'`], { stdio: "pipe" });
  let said = "";
  child.stderr.on("data", (chunk: Buffer) => (said += chunk.toString()));
  return new Promise<Reply>((done, fail) => {
    // An answer says more than the end of the connection, which may be heard of first.
    const ended = (error?: Error) =>
      setTimeout(() => fail(new Error(said.trim() || (error?.message ?? "no answer"))), 100);
    child.on("error", ended);
    child.on("exit", (code) => (code === 0 ? undefined : ended()));
    const connection = pipeOf(child);
    connection.on("error", ended);
    const sent = request({
      path: `${API}${path}`,
      headers: { ...headers, host: "docker" },
      createConnection: () => connection,
    });
    sent.on("error", ended);
    sent.on("response", (response) => {
      let body = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => (body += chunk));
      response.on("end", () => done({ status: response.statusCode ?? 0, body: parsed(body) }));
    });
    sent.end();
  }).finally(() => child.kill());
}

/** The two ends of a process as one connection, with what Node's HTTP client wants of a socket. */
function pipeOf({ stdin, stdout }: ChildProcessWithoutNullStreams): Socket {
  const pipe = new Duplex({
    read: () => stdout.resume(),
    write: (chunk, encoding, done) => stdin.write(chunk, encoding, done),
    final: (done) => stdin.end(done),
  });
  stdout.on("data", (chunk) => {
    if (!pipe.push(chunk)) stdout.pause();
  });
  stdout.on("end", () => pipe.push(null));
  for (const stream of [stdin, stdout]) stream.on("error", (error) => pipe.destroy(error));
  return Object.assign(pipe, { setKeepAlive: () => pipe, setNoDelay: () => pipe }) as unknown as Socket;
}
