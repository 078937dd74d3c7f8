import { OWN_ROUTES } from "./metrics";

/**
 * One vector selector.
 *
 * @param series name of the series
 * @param matchers label matchers as PromQL writes them, for example `job="nginx"`
 */
export function select(series: string, ...matchers: readonly string[]): string {
  return `${series}{${matchers.join(",")}}`;
}

/** Label matcher for equality, with the value quoted as PromQL wants it (the escapes of JSON are a subset of Go's for printable text). */
export function equals(label: string, value: string): string {
  return `${label}=${JSON.stringify(value)}`;
}

/** Matcher that leaves out the answers to probes, scrapes and the agent: there are many, all of them 200, and they would hide errors. */
export const CLIENT_ROUTES = `route!~"${OWN_ROUTES.join("|")}"`;

/** Matchers of the request that brings events in. */
export const INGEST_ROUTE = ['method="POST"', 'route="/v1/events"'] as const;
