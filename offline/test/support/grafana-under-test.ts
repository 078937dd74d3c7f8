import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { AddressInfo } from "node:net";
import { createApp } from "../../grafana/server/app.js";
import type { Assets } from "../../grafana/server/pages.js";
import { readSettings } from "../../grafana/server/settings.js";

/** A Grafana to test against, and an administrator's login to it. */
export interface GrafanaUnderTest {
  readonly url: string;
  readonly user: string;
  readonly password: string;
  /** Instead of these, the token of a service account with the role Admin. */
  readonly token?: string;
  /** False for a real Grafana, which was named by AUDIT_TEST_GRAFANA_URL. */
  readonly isStandIn: boolean;
  /** What was asked of its API and answered, whoever asked the stand-in; of a real one, what these tests asked. */
  readonly calls: ApiCall[];
  /** Stops it and starts it again on the same data. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

export interface ApiCall {
  readonly method: string;
  /** With the query. */
  readonly path: string;
  readonly request: unknown;
  readonly status: number;
  readonly answer: unknown;
}

const NO_PAGES: Assets = { script: "", style: "" };

/** Starts the stand-in in this process, on a free port and a data directory of its own. */
export async function startStandIn(
  env: Record<string, string> = {},
  assets: Assets = NO_PAGES,
): Promise<GrafanaUnderTest> {
  const dataDir = mkdtempSync(join(tmpdir(), "grafana-preview-"));
  const password = "admin-scratch";
  const calls: ApiCall[] = [];
  const open = () =>
    createApp(
      readSettings({ GF_PATHS_DATA: dataDir, GF_SECURITY_ADMIN_PASSWORD: password, GF_SERVER_HTTP_PORT: "0", ...env }),
      assets,
      (request, reply, payload, done) => {
        const { method, url: path, body } = request;
        const answer = parsed(typeof payload === "string" ? payload : "", reply.getHeader("content-type"));
        if (path.startsWith("/api/")) calls.push({ method, path, request: body, status: reply.statusCode, answer });
        done();
      },
    );
  let app = open();
  await app.listen({ host: "127.0.0.1", port: 0 });
  const { port } = app.server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    user: "admin",
    password,
    isStandIn: true,
    calls,
    restart: async () => {
      await app.close();
      app = open();
      await app.listen({ host: "127.0.0.1", port });
    },
    stop: async () => {
      await app.close();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

/**
 * The Grafana named by AUDIT_TEST_GRAFANA_URL and AUDIT_TEST_GRAFANA_AUTH (an administrator's `user:password`, or the token of a service
 * account with the role Admin), else the stand-in.
 */
export async function grafanaUnderTest(): Promise<GrafanaUnderTest> {
  const url = process.env.AUDIT_TEST_GRAFANA_URL;
  if (url === undefined || url === "") return startStandIn();
  const auth = process.env.AUDIT_TEST_GRAFANA_AUTH ?? "admin:admin";
  const [user = "admin", ...rest] = auth.includes(":") ? auth.split(":") : ["admin"];
  const nothing = () => Promise.resolve();
  return {
    url: url.replace(/\/+$/, ""),
    user,
    password: rest.join(":"),
    ...(auth.includes(":") ? {} : { token: auth }),
    isStandIn: false,
    calls: [],
    restart: nothing,
    stop: nothing,
  };
}

export interface Answer {
  readonly status: number;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- each test knows the shape that it asks for
  readonly body: any;
  readonly headers: Headers;
}

function parsed(text: string, type: unknown): unknown {
  return String(type).includes("json") && text !== "" ? JSON.parse(text) : text;
}

/** Requests to a Grafana with one kind of credentials. */
export class GrafanaClient {
  private constructor(
    private readonly server: GrafanaUnderTest,
    private readonly authorization: string | undefined,
  ) {}

  static admin(server: GrafanaUnderTest): GrafanaClient {
    return server.token === undefined
      ? GrafanaClient.basic(server, server.user, server.password)
      : GrafanaClient.token(server, server.token);
  }

  static basic(server: GrafanaUnderTest, user: string, password: string): GrafanaClient {
    return new GrafanaClient(server, `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`);
  }

  static token(server: GrafanaUnderTest, key: string): GrafanaClient {
    return new GrafanaClient(server, `Bearer ${key}`);
  }

  static nobody(server: GrafanaUnderTest): GrafanaClient {
    return new GrafanaClient(server, undefined);
  }

  async call(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Answer> {
    const send = () =>
      fetch(this.server.url + path, {
        method,
        redirect: "manual",
        headers: {
          ...(this.authorization === undefined ? {} : { authorization: this.authorization }),
          ...(body === undefined ? {} : { "content-type": "application/json" }),
          ...headers,
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
    // A connection that was kept open may be to a server that has restarted since; a new one is made for the second try.
    const response = await send().catch((error: unknown) => {
      if (method !== "GET") throw error;
      return send();
    });
    const text = await response.text();
    const answer = parsed(text, response.headers.get("content-type"));
    if (!this.server.isStandIn)
      this.server.calls.push({ method, path, request: body, status: response.status, answer });
    return { status: response.status, body: answer, headers: response.headers };
  }

  get = (path: string) => this.call("GET", path);
  post = (path: string, body: unknown) => this.call("POST", path, body);
  put = (path: string, body: unknown, headers?: Record<string, string>) => this.call("PUT", path, body, headers);
  delete = (path: string) => this.call("DELETE", path);
}
