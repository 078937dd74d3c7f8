import type { Metrics } from "./metrics.js";
import type { Storage } from "./storage.js";

/** How often the database is asked at most; its figures change over days. */
const EVERY_MS = 60_000;

/** The service makes the coming partitions itself when less than this is left: whoever never deploys has them as well. */
const SHORT_MS = 60 * 86_400_000;

/** Keeps the figures about the database's capacity, how large it is and how far its partitions reach, at most a minute old. */
export class DatabaseCapacity {
  #asked = 0;
  #of: Storage | undefined;

  constructor(
    private readonly metrics: Metrics,
    private readonly storage: () => Storage | undefined,
  ) {}

  /** Asks in the background when it is time to: a scrape must be answered also while the database hangs. Never fails. */
  async refresh(): Promise<void> {
    const storage = this.storage();
    if (storage === undefined || (storage === this.#of && Date.now() - this.#asked < EVERY_MS)) return;
    this.#of = storage;
    this.#asked = Date.now();
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
