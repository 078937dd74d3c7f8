import assert from "node:assert/strict";

import { ALLOWED_SERIES } from "../../../dashboards/metrics";
import { type ParsedQuery, parsePromql } from "./promql";

/** Counters: without a rate they would fall to zero at each restart. */
const COUNTERS = /(_total|_bucket|_sum|_count|^nginx_connections_(accepted|handled))$/;

/** Functions that make a rate of a counter. */
const RATE = /\b(rate|irate|increase)\(\s*$/;

/** Parses, and refuses names that nothing exposes. */
export function assertKnownSeries(expr: string): ParsedQuery {
  const parsed = parsePromql(expr);
  assert.ok(parsed.series.length > 0, `asks for no series: ${expr}`);
  for (const name of parsed.series) assert.ok(ALLOWED_SERIES.has(name), `${name} is exposed by nobody: ${expr}`);
  return parsed;
}

/** Asserts that each counter is directly inside a rate, so that sums are sums of rates. */
export function assertCountersAreRated(expr: string): void {
  for (const { 0: name, index } of expr.matchAll(/\b[a-z][a-z0-9_]*(?=\{)/g)) {
    if (COUNTERS.test(name)) assert.match(expr.slice(0, index), RATE, `${name} is not rated: ${expr}`);
  }
}
