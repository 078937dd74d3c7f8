import { spawn, type ChildProcessByStdio } from "node:child_process";
import http from "node:http";
import net from "node:net";
import { Duplex, type Readable, type Writable } from "node:stream";

/** Where a Docker Engine listens, and what the ssh client needs to get there. */
export interface Endpoint {
  /** `unix:///path`, `tcp://host:port`, `http://host:port` or `ssh://[user@]host[:port][/socket/path]`. */
  host: string;
  /** Options put before the destination on ssh's command line, one argument each. */
  sshOpts: string[];
}

/** The host setting does not name a Docker Engine that this plugin can reach. */
export class EndpointError extends Error {}

/**
 * Connections at a time over ssh. sshd refuses logins that come faster than MaxStartups (10) and sessions of a shared connection beyond
 * MaxSessions (10); idle ones are kept and used again.
 */
const SSH_CONNECTIONS = 6;
const SOCKET_CONNECTIONS = 16;

/**
 * The ssh command for one connection: what docker's own command line runs for `ssh://` (docker/cli, cli/connhelper): the remote `docker` joins
 * its standard streams to the engine's socket.
 *
 * @throws EndpointError when the address has a password, a query or no host
 */
export function sshCommand(endpoint: Endpoint): string[] {
  const wrong = (why: string) =>
    new EndpointError(
      `host ${JSON.stringify(endpoint.host)}: ${why}; write it as ssh://user@host[:port], with a key that ssh finds by itself or by sshOpts`,
    );
  let url: URL;
  try {
    url = new URL(endpoint.host);
  } catch {
    throw wrong("not a valid address");
  }
  if (url.hostname === "") throw wrong("no host name in it");
  if (url.password !== "") throw wrong("it has a password in it, which ssh does not take");
  if (url.search !== "" || url.hash !== "") throw wrong("a query or fragment has no meaning here");
  const options = [...endpoint.sshOpts];
  if (!options.join("").includes("ConnectTimeout")) options.push("-o ConnectTimeout=30");
  options.push("-T");
  if (url.username !== "") options.push("-l", decodeURIComponent(url.username));
  if (url.port !== "") options.push("-p", url.port);
  const socket = url.pathname.replace(/\/+$/, "") === "" ? [] : [`--host=unix://${url.pathname}`];
  return [...options, "--", url.hostname.replace(/^\[(.*)\]$/, "$1"), "docker", ...socket, "system", "dial-stdio"];
}

/**
 * A duplex stream over the standard streams of `ssh … docker system dial-stdio`, with just enough of a socket for
 * Node's HTTP client.
 */
class SshConnection extends Duplex {
  private readonly child: ChildProcessByStdio<Writable, Readable, Readable>;
  private stderr = "";
  private answered = false;

  constructor(private readonly args: string[]) {
    super({ allowHalfOpen: false });
    this.child = spawn("ssh", args, { stdio: ["pipe", "pipe", "pipe"] });
    this.child.stdout.on("data", (chunk: Buffer) => {
      this.answered = true;
      if (!this.push(chunk)) this.child.stdout.pause();
    });
    this.child.stdout.on("end", () => {
      if (this.answered) this.push(null);
    });
    this.child.stderr.on("data", (chunk: Buffer) => {
      this.stderr = (this.stderr + chunk.toString()).slice(-4096);
    });
    this.child.stdin.on("error", (error: Error) => {
      // A write after ssh has ended: the "exit" handler reports the reason, with ssh's output.
      if (this.child.exitCode === null && this.child.signalCode === null) return;
      this.destroy(error);
    });
    this.child.on("error", (error) => {
      this.destroy(
        new EndpointError(
          `cannot run ssh: ${error.message}; install the OpenSSH client, or set host to a unix:// or tcp:// address`,
        ),
      );
    });
    // "exit", not "close": a ControlPersist master started by this ssh keeps our stderr open after ssh itself has ended.
    this.child.on("exit", (code, signal) => {
      // One turn later, so that what ssh printed last has been read.
      setImmediate(() => {
        if (!this.answered) return void this.destroy(this.refusal(code, signal));
        this.push(null);
        // Nobody reads an idle connection to its end, so without this the agent would reuse it.
        setTimeout(() => this.destroy(), 1000).unref();
      });
    });
  }

  private refusal(code: number | null, signal: NodeJS.Signals | null): Error {
    const destination = this.args[this.args.indexOf("--") + 1] ?? "";
    const stderr =
      this.stderr.trim() === "" ? "it printed nothing" : `it said: ${this.stderr.trim().replace(/\.$/, "")}`;
    return new EndpointError(
      `ssh to ${destination} ended with ${signal ?? `exit status ${code}`} before Docker answered; ${stderr}. ` +
        `Check that \`ssh ${destination} docker version\` works from here with the same host and sshOpts, ` +
        "and that the remote user may use Docker's socket",
    );
  }

  override _read(): void {
    this.child.stdout.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    if (this.child.stdin.write(chunk)) done();
    else this.child.stdin.once("drain", () => done());
  }

  override _final(done: (error?: Error | null) => void): void {
    this.child.stdin.end(() => done());
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.child.stdin.destroy();
    this.child.stdout.destroy();
    this.child.stderr.destroy();
    if (this.child.exitCode === null && this.child.signalCode === null) this.child.kill("SIGTERM");
    done(error);
  }

  // Node's agent calls these on a socket that it keeps.
  setKeepAlive(): this {
    return this;
  }
  setNoDelay(): this {
    return this;
  }
  setTimeout(): this {
    return this;
  }
  ref(): this {
    this.child.ref();
    return this;
  }
  unref(): this {
    this.child.unref();
    return this;
  }
}

class SshAgent extends http.Agent {
  private readonly args: string[];

  constructor(endpoint: Endpoint) {
    super({ keepAlive: true, maxSockets: SSH_CONNECTIONS, maxFreeSockets: SSH_CONNECTIONS });
    this.args = sshCommand(endpoint);
  }

  override createConnection(): net.Socket {
    // The agent and the HTTP client only use what Duplex and the five methods above give.
    return new SshConnection(this.args) as unknown as net.Socket;
  }
}

class UnixAgent extends http.Agent {
  constructor(private readonly path: string) {
    super({ keepAlive: true, maxSockets: SOCKET_CONNECTIONS, maxFreeSockets: SOCKET_CONNECTIONS });
  }

  override createConnection(): net.Socket {
    return net.connect({ path: this.path });
  }
}

/**
 * How to reach the engine: an agent that opens and keeps connections, and the authority for requests. It opens nothing
 * yet.
 */
export interface Transport {
  agent: http.Agent;
  hostname: string;
  port: number;
}

/**
 * @throws EndpointError when the scheme is none of unix, tcp, http, ssh
 */
export function transportFor(endpoint: Endpoint): Transport {
  const { host } = endpoint;
  if (host.startsWith("ssh://")) return { agent: new SshAgent(endpoint), hostname: "docker.example.com", port: 80 };
  if (host.startsWith("unix://"))
    return { agent: new UnixAgent(host.slice("unix://".length)), hostname: "docker", port: 80 };
  if (host.startsWith("tcp://") || host.startsWith("http://")) {
    const url = new URL(host.replace(/^tcp:/, "http:"));
    return {
      agent: new http.Agent({ keepAlive: true, maxSockets: SOCKET_CONNECTIONS }),
      hostname: url.hostname,
      port: Number(url.port || "2375"),
    };
  }
  throw new EndpointError(
    `host ${JSON.stringify(host)}: unknown kind of address; use unix:///path/to/docker.sock, tcp://host:port or ssh://user@host`,
  );
}
