import { SECRET_ID_TTL } from "../../lib/vault/rights";

/**
 * When the agents' secret_ids are issued as of this run: now, if the run deploys another release or half of their
 * lifetime is over; otherwise the former time, so that a run without changes does nothing (docs/decisions/0072).
 *
 * @param previous the time from the last run, ISO 8601; undefined in the first
 * @param deploys whether this run promotes another release
 * @param ttl lifetime of a secret_id, seconds
 */
export function secretIdIssue(
  previous: string | undefined,
  deploys: boolean,
  ttl = SECRET_ID_TTL,
  now = new Date(),
): string {
  const age = previous === undefined ? NaN : (now.getTime() - Date.parse(previous)) / 1000;
  return previous !== undefined && !deploys && age < ttl / 2 ? previous : now.toISOString();
}
