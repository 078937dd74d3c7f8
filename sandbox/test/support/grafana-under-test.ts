import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { AddressInfo } from "node:net";
import { createApp } from "../../offline/grafana/server/app.js";
import type { Assets } from "../../offline/grafana/server/pages.js";
import { readSettings } from "../../offline/grafana/server/settings.js";

/** A Grafana to test against, and an administrator's login to it. */
export interface GrafanaUnderTest {
  readonly url: string;
  readonly user: string;
  readonly password: string;
  /** False for a real Grafana, which was named by AUDIT_TEST_GRAFANA_URL. */
  readonly isStandIn: boolean;
  /** Stops it and starts it again on the same data. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

const NO_PAGES: Assets = { script: "", style: "" };

/** Starts the stand-in in this process, on a free port and a data directory of its own. */
export async function startStandIn(
  env: Record<string, string> = {},
  assets: Assets = NO_PAGES,
): Promise<GrafanaUnderTest> {
  const dataDir = mkdtempSync(join(tmpdir(), "grafana-preview-"));
  const password = "admin-scratch";
  const open = () =>
    createApp(
      readSettings({ GF_PATHS_DATA: dataDir, GF_SECURITY_ADMIN_PASSWORD: password, GF_SERVER_HTTP_PORT: "0", ...env }),
      assets,
    );
  let app = open();
  await app.listen({ host: "127.0.0.1", port: 0 });
  const { port } = app.server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    user: "admin",
    password,
    isStandIn: true,
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

/** The Grafana named by AUDIT_TEST_GRAFANA_URL and AUDIT_TEST_GRAFANA_AUTH (`user:password` of an administrator), else the stand-in. */
export async function grafanaUnderTest(): Promise<GrafanaUnderTest> {
  const url = process.env.AUDIT_TEST_GRAFANA_URL;
  if (url === undefined || url === "") return startStandIn();
  const [user = "admin", ...rest] = (process.env.AUDIT_TEST_GRAFANA_AUTH ?? "admin:admin").split(":");
  const nothing = () => Promise.resolve();
  return {
    url: url.replace(/\/+$/, ""),
    user,
    password: rest.join(":"),
    isStandIn: false,
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

/** Requests to a Grafana with one kind of credentials. */
export class GrafanaClient {
  constructor(
    private readonly url: string,
    private readonly authorization: string | undefined,
  ) {}

  static admin(server: GrafanaUnderTest): GrafanaClient {
    return GrafanaClient.basic(server, server.user, server.password);
  }

  static basic(server: { readonly url: string }, user: string, password: string): GrafanaClient {
    return new GrafanaClient(server.url, `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`);
  }

  static token(server: { readonly url: string }, key: string): GrafanaClient {
    return new GrafanaClient(server.url, `Bearer ${key}`);
  }

  static nobody(server: { readonly url: string }): GrafanaClient {
    return new GrafanaClient(server.url, undefined);
  }

  async call(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Answer> {
    const send = () =>
      fetch(this.url + path, {
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
    const isJson = response.headers.get("content-type")?.includes("json") === true;
    const parsed: unknown = isJson && text !== "" ? JSON.parse(text) : text;
    return { status: response.status, body: parsed, headers: response.headers };
  }

  get = (path: string) => this.call("GET", path);
  post = (path: string, body: unknown) => this.call("POST", path, body);
  put = (path: string, body: unknown, headers?: Record<string, string>) => this.call("PUT", path, body, headers);
  delete = (path: string) => this.call("DELETE", path);
}
