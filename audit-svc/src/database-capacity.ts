import type { Metrics } from "./metrics.js";
import type { Storage } from "./storage.js";

/** Minimum interval between two queries; the figures change over days. */
const EVERY_MS = 60_000;

/**
 * The service creates coming partitions itself when less than this is left, so that they exist even without deploys.
 */
const SHORT_MS = 60 * 86_400_000;

/** Keeps the database's size and the end of its partitions, at most a minute old. */
export class DatabaseCapacity {
  #asked = 0;
  #of: Storage | undefined;

  constructor(
    private readonly metrics: Metrics,
    private readonly storage: () => Storage | undefined,
  ) {}

  /**
   * Queries in the background when it is time to, because a scrape must be answered even while the database hangs.
   * Never fails.
   */
  async refresh(): Promise<void> {
    const storage = this.storage();
    if (storage === undefined || (storage === this.#of && performance.now() - this.#asked < EVERY_MS)) return;
    this.#of = storage;
    this.#asked = performance.now();
    try {
      const { bytes, partitionsEnd } = await storage.capacity();
      this.metrics.databaseSize.set(bytes);
      this.metrics.partitionsEnd.set(partitionsEnd / 1000);
      if (partitionsEnd - Date.now() >= SHORT_MS) return;
      await storage.ensurePartitions();
      this.metrics.partitionsEnd.set((await storage.capacity()).partitionsEnd / 1000);
    } catch (error) {
      storage.count(error);
    }
  }
}
