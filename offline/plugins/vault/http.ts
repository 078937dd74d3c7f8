import { readFileSync } from "node:fs";
import http from "node:http";
import https from "node:https";
import { setTimeout as sleep } from "node:timers/promises";

/** Vault answered with an error status. The text is that of Vault's Go client, plus a cure if the cause is clear. */
export class VaultError extends Error {
  constructor(
    readonly status: number,
    readonly errors: readonly string[],
    method: string,
    url: string,
  ) {
    const list = errors.map((error) => `* ${error}`).join("\n");
    super(
      `Error making API request.\n\nURL: ${method} ${url}\nCode: ${status}. Errors:\n\n${list}${cure(status, errors)}`,
    );
  }
}

function cure(status: number, errors: readonly string[]): string {
  if (status === 503 && errors.some((error) => /sealed/i.test(error)))
    return "\n\nUnseal it first: `vault operator unseal`, or start the sandbox with `make up`.";
  if (status === 403) {
    return "\n\nThe provider's token (token or VAULT_TOKEN) may not do this, or has expired; a child token made for the run lives 1200 s unless skipChildToken or maxLeaseTtlSeconds is set.";
  }
  return "";
}

/** An answer of Vault's API, as far as it is used here. */
export interface Answer {
  data?: Record<string, unknown> | null;
  auth?: { client_token: string } | null;
  wrap_info?: { token: string; accessor: string; wrapped_accessor?: string } | null;
  warnings?: string[] | null;
}

export interface HttpSettings {
  /** e.g. `https://vault.example.com:8200` */
  address: string;
  /** How often a request is sent again after a failure that may pass. */
  maxRetries: number;
  skipTlsVerify: boolean;
  caCertFile: string | undefined;
  tlsServerName: string | undefined;
  headers: Readonly<Record<string, string>>;
}

export interface VaultRequest {
  method: "GET" | "PUT" | "POST" | "DELETE" | "LIST";
  /** Without the leading `/v1/`. */
  path: string;
  body?: unknown;
  headers: Record<string, string>;
}

/** Bounds of the wait before a retry in ms, as in Vault's Go client. */
const RETRY_WAIT = [1000, 1500] as const;

/** Sends requests to one Vault, without knowing about tokens. Connects at the first request. */
export class VaultHttp {
  private readonly base: URL;
  private readonly agent: http.Agent;

  /** @throws Error when the address or the CA file is no good */
  constructor(private readonly settings: HttpSettings) {
    try {
      this.base = new URL(settings.address);
    } catch {
      throw new Error(
        `address ${JSON.stringify(settings.address)} is no URL; set the provider's address (or VAULT_ADDR) to e.g. https://vault.example.com:8200`,
      );
    }
    if (this.base.protocol === "https:") {
      this.agent = new https.Agent({
        keepAlive: true,
        rejectUnauthorized: !settings.skipTlsVerify,
        ...(settings.caCertFile === undefined ? {} : { ca: readCa(settings.caCertFile) }),
        ...(settings.tlsServerName === undefined ? {} : { servername: settings.tlsServerName }),
      });
    } else {
      this.agent = new http.Agent({ keepAlive: true });
    }
  }

  close(): void {
    this.agent.destroy();
  }

  /**
   * @returns the answer, or undefined when there is none: status 204, or 404 to a read, without data. A deleted KV version is a 404 with data
   * @throws VaultError for a status of 400 and above, but for a 404 to a read; Error when Vault cannot be reached
   */
  async send(request: VaultRequest): Promise<Answer | undefined> {
    for (let attempt = 0; ; attempt++) {
      let failure: unknown;
      try {
        const { status, text } = await this.once(request);
        if (!mayPass(status) || attempt >= this.settings.maxRetries) return this.interpret(request, status, text);
      } catch (error) {
        if (error instanceof VaultError || attempt >= this.settings.maxRetries) throw error;
        failure = error;
      }
      void failure;
      await sleep(Math.min(RETRY_WAIT[0] * 2 ** attempt, RETRY_WAIT[1]));
    }
  }

  private interpret(request: VaultRequest, status: number, text: string): Answer | undefined {
    const answer = parse(text);
    const reading = request.method === "GET" || request.method === "LIST";
    if (status === 404 && reading) {
      const hasData = Object.keys(answer?.data ?? {}).length > 0 || (answer?.warnings ?? []).length > 0;
      return hasData ? answer : undefined;
    }
    if (status === 404 && text === "") return undefined;
    if (status < 400) return answer;
    const errors = (answer as { errors?: string[] } | undefined)?.errors ?? [];
    throw new VaultError(status, errors.length > 0 ? errors : [text.trim()], request.method, this.url(request).href);
  }

  private url(request: VaultRequest): URL {
    const prefix = this.base.pathname.replace(/\/+$/, "");
    return new URL(
      `${prefix}/v1/${request.path
        .split("/")
        .filter((part) => part !== "")
        .map(encodeURIComponent)
        .join("/")}`,
      this.base,
    );
  }

  private once(request: VaultRequest): Promise<{ status: number; text: string }> {
    const url = this.url(request);
    const payload = request.body === undefined ? undefined : JSON.stringify(request.body);
    const client = url.protocol === "https:" ? https : http;
    return new Promise((resolve, reject) => {
      const sent = client.request(
        url,
        {
          method: request.method,
          agent: this.agent,
          headers: { "X-Vault-Request": "true", ...this.settings.headers, ...request.headers },
        },
        (response) => {
          const chunks: Buffer[] = [];
          response.on("data", (chunk: Buffer) => chunks.push(chunk));
          response.on("error", reject);
          response.on("end", () =>
            resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString() }),
          );
        },
      );
      sent.on("error", (error) =>
        reject(
          new Error(
            `cannot reach Vault at ${this.settings.address}: ${error.message || String(error)}; check that it runs there, and the provider's address (or VAULT_ADDR)`,
          ),
        ),
      );
      sent.end(payload);
    });
  }
}

/** Statuses after which Vault's Go client tries again. */
function mayPass(status: number): boolean {
  return status === 412 || status === 429 || (status >= 500 && status !== 501);
}

function readCa(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    throw new Error(
      `caCertFile: ${(error as Error).message}; set it (or VAULT_CACERT) to a PEM file with the CA that signed Vault's certificate`,
      {
        cause: error,
      },
    );
  }
}

function parse(text: string): Answer | undefined {
  if (text === "") return undefined;
  try {
    return JSON.parse(text) as Answer;
  } catch {
    return undefined;
  }
}
