/**
 * Allows one line of each kind per second. In an outage thousands of requests a second fail in the same way: the log
 * must say so without being flooded, and the metrics count them all.
 */
export class LogLimit {
  readonly #kinds = new Map<string, { since: number; kept: number }>();

  /**
   * @param kind one of a limited set
   * @param now milliseconds
   * @returns fields for the line, with the number of lines suppressed before it; `undefined` to suppress this one
   */
  pass(kind: string, now = performance.now()): { keptBack?: number } | undefined {
    const last = this.#kinds.get(kind);
    if (last !== undefined && now - last.since < 1000) {
      last.kept += 1;
      return undefined;
    }
    this.#kinds.set(kind, { since: now, kept: 0 });
    return last === undefined || last.kept === 0 ? {} : { keptBack: last.kept };
  }
}
