/** How many times what is left free one holder may have. */
const FAIR = 3;

/**
 * Bounds what all requests hold together, from their first byte until they are answered, in bytes of bodies or in events of the queue:
 * thousands of connections that each send a permitted body would otherwise need any amount of memory. Nobody gets all of it: who holds
 * something already gets more only while it has at most three times what is left, so that one holder leaves a quarter, two leave a
 * sixteenth, and a newcomer finds room.
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

  /** What is held now. */
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

  /** Takes more; false when all together would exceed `max`, or its holder has its part. */
  take(amount: number, max: number): boolean {
    const { limit, holder } = this;
    const theirs = limit.theirs(holder);
    const free = max - limit.held - amount;
    // What is alone is let in even when it exceeds the limit, or it could never be; and a holder's only request has all that is free.
    const alone = limit.held === this.#own;
    const fair = theirs === this.#own || theirs + amount <= FAIR * free;
    if (!alone && (free < 0 || !fair)) return false;
    this.#own += amount;
    limit.add(holder, amount);
    return true;
  }

  /** Gives everything back; it may be called more than once. */
  release(): void {
    if (this.#own === 0) return;
    this.limit.add(this.holder, -this.#own);
    this.#own = 0;
  }
}
