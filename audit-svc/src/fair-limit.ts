/** One holder may have at most this many times what is free. */
const FAIR = 3;

/**
 * Limits what all requests hold together, from their first byte to their answer, in bytes of bodies or in queued
 * events. Without it thousands of connections that each send a permitted body could need any amount of memory. Nobody
 * gets all of it: a holder that has something already gets more only while it has at most three times what is left. So
 * one holder leaves a quarter, two leave a sixteenth, and a newcomer finds room.
 */
export class FairLimit {
  #held = 0;
  readonly #holders = new Map<string, number>();

  /**
   * A share for one request.
   * @param holder whose request it is
   */
  open(holder: string): FairShare {
    return new FairShare(this, holder);
  }

  /** The amount held now. */
  get held(): number {
    return this.#held;
  }

  /** @internal for a share */
  theirs(holder: string): number {
    return this.#holders.get(holder) ?? 0;
  }

  /** @internal for a share */
  add(holder: string, amount: number): void {
    this.#held += amount;
    const theirs = this.theirs(holder) + amount;
    if (theirs === 0) this.#holders.delete(holder);
    else this.#holders.set(holder, theirs);
  }
}

/** One request's part of the limit. */
export class FairShare {
  #own = 0;

  constructor(
    private readonly limit: FairLimit,
    private readonly holder: string,
  ) {}

  /** Takes more; false if all shares together would exceed `max`, or the holder has reached its part. */
  take(amount: number, max: number): boolean {
    const { limit, holder } = this;
    const theirs = limit.theirs(holder);
    const free = max - limit.held - amount;
    // A request that is alone is accepted even if it exceeds the limit, because it never would be otherwise. And a
    // holder's only request may take all that is free.
    const alone = limit.held === this.#own;
    const fair = theirs === this.#own || theirs + amount <= FAIR * free;
    if (!alone && (free < 0 || !fair)) return false;
    this.#own += amount;
    limit.add(holder, amount);
    return true;
  }

  /** Releases everything; it may be called more than once. */
  release(): void {
    if (this.#own === 0) return;
    this.limit.add(this.holder, -this.#own);
    this.#own = 0;
  }
}
