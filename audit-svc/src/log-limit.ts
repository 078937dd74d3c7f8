/**
 * Lets one line of each kind through in a second. In an outage every request fails in the same way, thousands a second:
 * the log must tell it without drowning in it, and the metrics count them all.
 */
export class LogLimit {
  readonly #kinds = new Map<string, { since: number; kept: number }>();

  /**
   * @param kind one of a bounded set
   * @param now milliseconds
   * @returns what to add to the line, with how many of this kind were kept back before it; `undefined` keeps this one back
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
