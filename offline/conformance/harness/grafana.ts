import { backend } from "./backends.js";
import type { Props } from "./values.js";

/** Grafana's HTTP API as its administrator; a 404 answers undefined. */
export async function grafanaApi<T = Props>(method: string, path: string, body?: unknown): Promise<T | undefined> {
  const { url, token } = backend("grafana");
  const response = await fetch(`${url}/api/${path}`, {
    method,
    headers: { Authorization: `Basic ${Buffer.from(token).toString("base64")}`, "Content-Type": "application/json" },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  if (response.status === 404) {
    return undefined;
  }
  const text = await response.text();
  if (!response.ok) {
    throw new Error(`${method} ${path}: ${response.status} ${text}`);
  }
  return JSON.parse(text) as T;
}

/** The size of Grafana's own identifiers: at most 40 characters. */
let count = 0;
export const grafanaUid = (what: string): string => `c${process.pid}-${Date.now().toString(36)}-${what}${++count}`;
