import { SECRET_ID_TTL } from "../../lib/vault/rights";

/**
 * When the agents' secret_ids were issued, as this run leaves it: now, when the run deploys another release or when they have lived
 * half of their life; otherwise as before, so that a run with nothing to do does nothing (docs/decisions/0072).
 *
 * @param previous as the last run left it, ISO 8601; undefined at the first
 * @param deploys whether this run promotes another release
 * @param ttl life of a secret_id, seconds
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
