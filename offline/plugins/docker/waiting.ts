import { setTimeout as sleep } from "node:timers/promises";

/**
 * Calls `attempt` once a second until it says "done".
 *
 * @param what completes "timeout while waiting for … (30 s)"
 * @throws Error when `seconds` have gone by; whatever `attempt` throws
 */
export async function until(
  what: string,
  seconds: number,
  signal: AbortSignal,
  attempt: () => Promise<"done" | "again">,
): Promise<void> {
  const deadline = Date.now() + seconds * 1000;
  while ((await attempt()) === "again") {
    if (Date.now() >= deadline) throw new Error(`timeout while waiting for ${what} (${seconds} s)`);
    await sleep(1000, undefined, { signal });
  }
}
