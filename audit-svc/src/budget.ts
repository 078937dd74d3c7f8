/** How many times what is left free one holder may have. */
const FAIR = 3;

/**
 * Bounds what all requests hold together, from their first byte until they are answered: thousands of connections that each
 * send a permitted body would otherwise need any amount of memory. Nobody gets all of it: who holds something already gets more only
 * while it has at most three times what is left, so that one holder leaves a quarter, two leave a sixteenth, and a newcomer finds room.
 */
export class Budget {
  #held = 0;
  readonly #holders = new Map<string, number>();

  /**
   * A share for one request; `release` may be called more than once.
   * @param holder whose request it is
   */
  open(holder: string): BudgetShare {
    let own = 0;
    const add = (amount: number): void => {
      own += amount;
      this.#held += amount;
      const theirs = (this.#holders.get(holder) ?? 0) + amount;
      if (theirs === 0) this.#holders.delete(holder);
      else this.#holders.set(holder, theirs);
    };
    return {
      take: (amount, max) => {
        const theirs = this.#holders.get(holder) ?? 0;
        const free = max - this.#held - amount;
        // What is alone is let in even when it exceeds the budget, or it could never be; and a holder's only request has all that is free.
        const alone = this.#held === own;
        const fair = theirs === own || theirs + amount <= FAIR * free;
        if (!alone && (free < 0 || !fair)) return false;
        add(amount);
        return true;
      },
      release: () => add(-own),
    };
  }

  /** What is held now. */
  get held(): number {
    return this.#held;
  }
}

/** One request's part of the budget. */
export interface BudgetShare {
  /** Takes more; false when all together would exceed `max`, or its holder has its part. */
  readonly take: (amount: number, max: number) => boolean;
  readonly release: () => void;
}
