import { setTimeout as sleep } from "node:timers/promises";

/**
 * Tries until it works or the time is over.
 * @param what named in the error.
 * @param attempt throws or returns undefined while it is too early.
 * @throws Error with the last reason when the time is over.
 */
export async function until<T>(
  what: string,
  seconds: number,
  attempt: () => Promise<T | undefined>,
  pauseMs = 200,
): Promise<T> {
  const deadline = performance.now() + seconds * 1000;
  let reason = "it did not become ready";
  for (;;) {
    try {
      const result = await attempt();
      if (result !== undefined) return result;
    } catch (error) {
      reason = error instanceof Error ? error.message || String((error as { code?: string }).code) : String(error);
    }
    if (performance.now() > deadline) throw new Error(`${what}: not ready after ${seconds} s: ${reason}`);
    await sleep(pauseMs);
  }
}
