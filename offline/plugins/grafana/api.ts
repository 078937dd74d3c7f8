import { readFileSync } from "node:fs";
import * as http from "node:http";
import * as https from "node:https";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";

export type Json = Record<string, unknown>;

export interface ApiSettings {
  /** Undefined where neither the provider nor GRAFANA_URL sets it; that shows at the first resource. */
  readonly url: string | undefined;
  /** `user:password`, a token, or `anonymous`. */
  readonly auth: string | undefined;
  /** Authorities that replace the system's: PEM text, or a file with it. */
  readonly caCert: string | undefined;
  /** How often a request is repeated. */
  readonly retries: number;
  /** Seconds between two tries; 0: growing from a quarter of a second. */
  readonly retryWait: number;
  readonly httpHeaders: Readonly<Record<string, string>>;
}

/** Answers after which a request is sent again, besides 5xx: the genuine plugin's default. */
const RETRIED: readonly number[] = [401, 412, 429];

const REQUEST_TIMEOUT_MS = 60_000;

/** How the generated client of the genuine plugin calls an answer, as part of its error messages. */
const ANSWERS: Readonly<Record<number, string>> = {
  400: "BadRequest",
  401: "Unauthorized",
  403: "Forbidden",
  404: "NotFound",
  409: "Conflict",
  412: "PreconditionFailed",
  422: "UnprocessableEntity",
  500: "InternalServerError",
};

/** An answer of Grafana that is not 2xx. */
export class AnswerError extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

/** Grafana's HTTP API as one user or token sees it. */
export class Api {
  private readonly queues = new Map<string, Promise<unknown>>();
  private readonly secure: https.Agent;

  /** @throws Error when the file of authorities cannot be read */
  constructor(private readonly settings: ApiSettings) {
    const { caCert } = settings;
    this.secure = new https.Agent({ keepAlive: true, ...(caCert === undefined ? {} : { ca: authorities(caCert) }) });
  }

  /**
   * The organisation in ids of new resources. A token belongs to one and is not asked which: its resources are called
   * `0:uid`, those of a user `1:uid`. The provider's own `orgId` plays no part in it.
   */
  get orgId(): number {
    return this.settings.auth?.includes(":") === true ? 1 : 0;
  }

  /** Runs writes of one kind one after the other, as the genuine plugin does for folders and for dashboards. */
  async inTurn<T>(kind: string, work: () => Promise<T>): Promise<T> {
    const before = this.queues.get(kind) ?? Promise.resolve();
    const mine = before.catch(() => undefined).then(work);
    this.queues.set(
      kind,
      mine.catch(() => undefined),
    );
    return mine;
  }

  /** A path of the server as the user's browser needs it, below the provider's URL. */
  link(path: string): string {
    const base = new URL(this.required("").url);
    const prefix = base.pathname.replace(/\/+$/, "");
    const rest = prefix !== "" && path.startsWith(prefix) ? path.slice(prefix.length) : path;
    base.pathname = `${prefix}/${rest.replace(/^\/+/, "")}`;
    return base.href;
  }

  /** One request; undefined where Grafana answers 404. */
  async find<T = Json>(operation: string, path: string, orgId: number): Promise<T | undefined> {
    try {
      return await this.call<T>(operation, "GET", path, orgId);
    } catch (error) {
      if (error instanceof AnswerError && error.status === 404) return undefined;
      throw error;
    }
  }

  /** One request. Repeats it when Grafana is too busy, broken or away, or does not know the login just now. Throws {@link AnswerError} for any other answer than 2xx. */
  async call<T = Json>(
    operation: string,
    method: string,
    path: string,
    orgId: number,
    body?: Json,
    headers: Json = {},
  ): Promise<T> {
    const { url, auth } = this.required(operation);
    const target = `${url.replace(/\/+$/, "")}/api${path}`;
    for (let attempt = 0; ; attempt++) {
      const isLast = attempt >= this.settings.retries;
      try {
        const all = this.headers(auth, orgId, body !== undefined, headers);
        const { status, answer } = await this.send(target, method, all, body);
        if (status >= 200 && status < 300) return (answer === "" ? {} : JSON.parse(answer)) as T;
        if (isLast || (!RETRIED.includes(status) && status < 500)) {
          const name = ANSWERS[status] ?? "Default";
          const shown = answer.slice(0, 2000).trim();
          const route = path.split("?")[0] ?? "";
          throw new AnswerError(status, `[${method} ${route}][${status}] ${operation}${name} ${shown}`);
        }
      } catch (error) {
        if (error instanceof AnswerError) throw error;
        if (isLast) throw new Error(`${method} "${target}": ${reasonOf(error)}`, { cause: error });
      }
      await sleep(this.settings.retryWait > 0 ? this.settings.retryWait * 1000 : 250 * 2 ** attempt);
    }
  }

  private send(
    target: string,
    method: string,
    headers: Record<string, string>,
    body: Json | undefined,
  ): Promise<{ status: number; answer: string }> {
    const secure = new URL(target).protocol === "https:";
    const options = { method, headers, signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS) };
    return new Promise((done, fail) => {
      const received = (response: http.IncomingMessage) =>
        void text(response).then((answer) => done({ status: response.statusCode ?? 0, answer }), fail);
      const sent = secure
        ? https.request(target, { ...options, agent: this.secure }, received)
        : http.request(target, options, received);
      sent.on("error", fail);
      sent.end(body === undefined ? undefined : JSON.stringify(body));
    });
  }

  private required(operation: string): { url: string; auth: string } {
    const { url, auth } = this.settings;
    if (url === undefined || auth === undefined) {
      const what = operation === "" ? "" : ` for ${operation}`;
      throw new Error(
        `the Grafana client is required${what}. Set the auth and url provider attributes (or GRAFANA_AUTH and GRAFANA_URL)`,
      );
    }
    return { url, auth };
  }

  private headers(auth: string, orgId: number, hasBody: boolean, more: Json): Record<string, string> {
    const separator = auth.indexOf(":");
    const user = auth.slice(0, separator).trim();
    const password = auth.slice(separator + 1).trim();
    const authorization =
      separator >= 0
        ? `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`
        : auth === "anonymous"
          ? undefined
          : `Bearer ${auth.trim()}`;
    return {
      accept: "application/json",
      ...(hasBody ? { "content-type": "application/json" } : {}),
      ...(authorization === undefined ? {} : { authorization }),
      // The genuine client sends it for tokens neither: they belong to one organisation.
      ...(orgId > 0 ? { "x-grafana-org-id": String(orgId) } : {}),
      ...this.settings.httpHeaders,
      ...(more as Record<string, string>),
    };
  }
}

function authorities(caCert: string): string {
  if (caCert.includes("-----BEGIN")) return caCert;
  try {
    return readFileSync(caCert, "utf8");
  } catch (error) {
    throw new Error(`caCert: ${(error as Error).message}; set it (or GRAFANA_CA_CERT) to a PEM file or its text`, {
      cause: error,
    });
  }
}

function reasonOf(error: unknown): string {
  const { cause, message } = error as Error & { cause?: { message?: string; code?: string } };
  return (cause?.message ?? "") || (cause?.code ?? "") || message;
}
