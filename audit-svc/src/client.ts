import { type Agent, type IncomingMessage, request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import { createInterface } from "node:readline";
import { UserError, reasonOf } from "./errors.js";

interface Target {
  readonly url: URL;
  readonly token: string;
  readonly agent?: Agent;
}

/** Result of one request. */
export interface Sent {
  /** HTTP status, 0 if there was no answer. */
  readonly status: number;
  readonly reason: string;
  readonly retries: number;
  /** From the first attempt to the answer. */
  readonly ms: number;
}

const MAX_TRIES = 20;

/**
 * Sends events, and retries with the same ids while the service is unavailable or overloaded, which the ids make safe.
 * Gives up after 20 attempts.
 */
export async function sendEvents({
  events,
  ...target
}: Target & { readonly events: readonly object[] }): Promise<Sent> {
  const body = JSON.stringify(events.length === 1 ? events[0] : events);
  const started = performance.now();
  for (let retries = 0; ; retries++) {
    const answer = await post(target, body).catch((error: unknown) => ({
      status: 0,
      text: reasonOf(error),
      retryAfter: 0,
    }));
    const again = answer.status === 0 || answer.status === 502 || answer.status === 503 || answer.status === 504;
    if (!again || retries + 1 >= MAX_TRIES) {
      return { status: answer.status, reason: answer.text.slice(0, 300), retries, ms: performance.now() - started };
    }
    // Jitter, so that requests refused together are not retried together.
    const pause = Math.max(answer.retryAfter * 1000, Math.min(2000, 100 * 2 ** retries)) * (0.5 + Math.random());
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
}

/** Reads `GET /v1/events/export` line by line. Throws {@link UserError} if it is refused or ends early. */
export async function readExport(
  target: Target & { readonly query: Record<string, string> },
  each: (event: { id: string }) => void,
): Promise<void> {
  const path = `/v1/events/export?${new URLSearchParams(target.query).toString()}`;
  const response = await open(target, "GET", path);
  if (response.statusCode !== 200)
    throw new UserError(`generate: reading back: ${response.statusCode} ${await text(response)}`);
  for await (const line of createInterface({ input: response, crlfDelay: Infinity })) {
    if (line !== "") each(JSON.parse(line) as { id: string });
  }
  if (!response.complete) throw new UserError("generate: reading back: the export ended early.");
}

async function post(target: Target, body: string): Promise<{ status: number; text: string; retryAfter: number }> {
  const response = await open(target, "POST", "/v1/events", body);
  return {
    status: response.statusCode ?? 0,
    text: await text(response),
    retryAfter: Number(response.headers["retry-after"] ?? 0) || 0,
  };
}

function open({ url, token, agent }: Target, method: string, path: string, body?: string): Promise<IncomingMessage> {
  const secure = url.protocol === "https:";
  return new Promise((resolve, reject) => {
    const request = (secure ? httpsRequest : httpRequest)(
      new URL(url.pathname.replace(/\/$/, "") + path, url),
      {
        method,
        ...(secure || agent === undefined ? {} : { agent }),
        timeout: 30_000,
        headers: {
          authorization: `Bearer ${token}`,
          ...(body === undefined
            ? {}
            : { "content-type": "application/json", "content-length": Buffer.byteLength(body) }),
        },
      },
      resolve,
    );
    request.on("timeout", () => request.destroy(new Error("no answer within 30 s")));
    request.on("error", reject);
    request.end(body);
  });
}

async function text(response: IncomingMessage): Promise<string> {
  let all = "";
  for await (const chunk of response.setEncoding("utf8")) all += String(chunk);
  return all;
}
