import http from "node:http";

import { EndpointError, transportFor, type Endpoint, type Transport } from "./connection.js";

/**
 * The highest API version that this client supports, that of the genuine plugin; with an older engine it uses the
 * engine's version.
 */
const API_VERSION = "1.51";

/** The engine answered with an error. */
export class EngineError extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(`Error response from daemon: ${message}`);
  }
}

export type Query = Record<string, string | number | boolean | undefined>;

export interface RequestOptions {
  query?: Query;
  /** Sent as JSON, or as it is when it is a Buffer (a tar archive). */
  body?: unknown;
  headers?: Record<string, string>;
  /** Gives up on the request when aborted. */
  signal?: AbortSignal;
}

function isOlder(a: string, b: string): boolean {
  const [majorA = 0, minorA = 0] = a.split(".").map(Number);
  const [majorB = 0, minorB = 0] = b.split(".").map(Number);
  return majorA < majorB || (majorA === majorB && minorA < minorB);
}

async function drain(response: http.IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

/** A client of the Docker Engine's HTTP API. Connects at the first request and keeps its connections. */
export class Engine {
  private readonly transport: Transport;
  private version: Promise<string> | undefined;

  /** @throws EndpointError when the host is no address of an engine */
  constructor(private readonly endpoint: Endpoint) {
    this.transport = transportFor(endpoint);
  }

  /** Closes the kept connections. */
  close(): void {
    this.transport.agent.destroy();
  }

  /**
   * @returns the answer's JSON, or undefined when it has no body
   * @throws EngineError for a status of 400 and above; EndpointError when the engine cannot be reached
   */
  async request(method: string, path: string, options: RequestOptions = {}): Promise<unknown> {
    const response = await this.open(method, path, options);
    const body = await drain(response);
    if (body.length === 0) return undefined;
    return (response.headers["content-type"] ?? "").includes("json") ? parse(body.toString()) : body;
  }

  /** As {@link request}, for answers that come in parts: the whole stream's bytes, after it has ended. */
  async stream(method: string, path: string, options: RequestOptions = {}): Promise<Buffer> {
    return drain(await this.open(method, path, options));
  }

  /** Whether the API version in use is at least this one, e.g. `1.45`. */
  async supports(version: string): Promise<boolean> {
    return !isOlder(await this.negotiated(), version);
  }

  private async open(method: string, path: string, options: RequestOptions): Promise<http.IncomingMessage> {
    const version = await this.negotiated();
    const query = new URLSearchParams();
    for (const [key, value] of Object.entries(options.query ?? {}))
      if (value !== undefined) query.set(key, String(value));
    const suffix = query.size === 0 ? "" : `?${query.toString()}`;
    const response = await this.send(method, `/v${version}${path}${suffix}`, options);
    if ((response.statusCode ?? 0) < 400) return response;
    const text = (await drain(response)).toString();
    const parsed = parse(text) as { message?: string } | undefined;
    throw new EngineError(response.statusCode ?? 0, parsed?.message ?? text.trim());
  }

  /** Asked once per client: the version both sides know. Doubles as the check that an engine is there. */
  private negotiated(): Promise<string> {
    this.version ??= (async () => {
      const response = await this.send("GET", "/_ping", {});
      const body = (await drain(response)).toString();
      const offered = response.headers["api-version"];
      if (response.statusCode !== 200 || typeof offered !== "string") {
        throw new EndpointError(
          `host ${JSON.stringify(this.endpoint.host)}: what answers there is no Docker Engine (${body.trim().slice(0, 200)})`,
        );
      }
      return isOlder(API_VERSION, offered) ? API_VERSION : offered;
    })();
    // Do not cache a failure: the engine may be available a moment later.
    this.version.catch(() => (this.version = undefined));
    return this.version;
  }

  private send(method: string, path: string, options: RequestOptions): Promise<http.IncomingMessage> {
    const raw = Buffer.isBuffer(options.body);
    const payload =
      options.body === undefined
        ? undefined
        : raw
          ? (options.body as Buffer)
          : Buffer.from(JSON.stringify(options.body));
    const headers: Record<string, string> = { ...options.headers };
    if (payload !== undefined) {
      headers["content-type"] ??= raw ? "application/x-tar" : "application/json";
      headers["content-length"] = String(payload.length);
    }
    return new Promise((resolve, reject) => {
      const { agent, hostname, port } = this.transport;
      const request = http.request({ method, path, headers, agent, hostname, port, signal: options.signal }, resolve);
      request.on("error", (error: NodeJS.ErrnoException) => {
        // The other side has closed a kept connection; only a request that changes nothing may be repeated.
        if (request.reusedSocket && method === "GET" && error.code === "ECONNRESET")
          resolve(this.send(method, path, options));
        else reject(this.unreachable(error));
      });
      request.end(payload);
    });
  }

  private unreachable(error: NodeJS.ErrnoException): Error {
    if (error instanceof EndpointError || error.name === "AbortError") return error;
    const cure =
      error.code === "EACCES"
        ? "this user may not use the socket: add it to the group that owns it, or set host to another address"
        : "check that dockerd is running there, and the provider's host (or DOCKER_HOST)";
    return new EndpointError(`Error pinging Docker server at ${this.endpoint.host}: ${error.message}; ${cure}`);
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
