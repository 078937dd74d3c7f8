/**
 * Bounds the memory of all bodies together, from their first byte until their request is answered: thousands of
 * connections that each send a permitted body would otherwise need any amount of it.
 */
export class Budget {
  #held = 0;

  /** A holder for one request; `release` may be called more than once. */
  open(): BudgetShare {
    let own = 0;
    return {
      take: (bytes, max) => {
        // What is alone is let in even when it exceeds the budget, or it could never be.
        if (this.#held + bytes > max && this.#held > own) return false;
        own += bytes;
        this.#held += bytes;
        return true;
      },
      release: () => {
        this.#held -= own;
        own = 0;
      },
    };
  }

  /** Bytes held now. */
  get held(): number {
    return this.#held;
  }
}

/** One request's part of the budget. */
export interface BudgetShare {
  /** Takes more bytes; false when all bodies together would exceed `max`. */
  readonly take: (bytes: number, max: number) => boolean;
  readonly release: () => void;
}
