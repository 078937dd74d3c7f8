/** What the server wrote into the page. */
export interface Boot {
  /** What every path begins with; empty at the root. */
  readonly base: string;
  readonly theme: "dark" | "light" | "system";
  readonly view: "login" | "list" | "dashboard" | "missing";
  readonly uid?: string;
  readonly role?: string;
  readonly login?: string;
}

export const boot = JSON.parse(document.body.dataset.boot ?? "{}") as Boot;

/** An answer that is not 2xx, with the server's own words. */
export class AnswerError extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly body: unknown,
  ) {
    super(message);
  }
}

const RETRY_AFTER_MS = 400;

/**
 * Sends a request that changes nothing a second and third time when it gets no answer at all. Chromium drops every request
 * under way when a network interface comes or goes, and with Docker on the same machine they come and go all the time.
 */
async function send(path: string, init: RequestInit, isReading: boolean): Promise<Response> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await fetch(boot.base + path, init);
    } catch (error) {
      if (init.signal?.aborted === true) throw error;
      if (!isReading || attempt >= 3) throw new Error("The server does not answer.", { cause: error });
      await new Promise((resolve) => setTimeout(resolve, RETRY_AFTER_MS * attempt));
    }
  }
}

/** Asks the server. Someone whose session has ended is sent to log in again. */
export async function ask<T>(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<T> {
  const init: RequestInit = {
    method,
    headers: body === undefined ? {} : { "content-type": "application/json" },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    ...(signal === undefined ? {} : { signal }),
  };
  const response = await send(path, init, method === "GET" || path === "/api/ds/query");
  const text = await response.text();
  let answer: unknown = text;
  try {
    answer = JSON.parse(text);
  } catch {
    // A proxy in front may answer with a page of its own.
  }
  if (response.ok) return answer as T;
  if (response.status === 401 && boot.view !== "login") {
    location.assign(`${boot.base}/login?redirectTo=${encodeURIComponent(location.pathname + location.search)}`);
  }
  const message = (answer as { message?: unknown }).message;
  throw new AnswerError(response.status, typeof message === "string" ? message : `HTTP ${response.status}`, answer);
}
