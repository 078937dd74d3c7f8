import { isDeepStrictEqual } from "node:util";
import { ApiError } from "./api-error.js";
import type { EventRow } from "./event.js";
import { refusedPositions, storeEvents } from "./event-writer.js";
import type { Metrics } from "./metrics.js";
import { kindOf, type Storage } from "./storage.js";

interface Job {
  readonly rows: readonly EventRow[];
  readonly bytes: number;
  readonly deadline: number;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/** Bytes of bodies that one statement takes: its parameters are copies of what they hold. */
const GROUP_BYTES = 1_048_576;

/**
 * Groups concurrent requests into one statement and settles each after its commit. While every writer is busy requests
 * gather, so the group grows with the load and the cost of a commit is shared. The queue is bounded in events; {@link Budget} bounds it in bytes.
 */
export class Ingest {
  readonly #queue: Job[] = [];
  #head = 0;
  #events = 0;
  #running = 0;
  #scheduled = false;
  #idle: (() => void)[] = [];
  readonly #sweep = setInterval(() => this.#expire(), 200).unref();

  /** @param current the storage in force now; asked anew for every try, so that a reload takes effect in mid-queue */
  constructor(
    private readonly current: () => Storage | undefined,
    private readonly metrics: Metrics,
  ) {}

  /** Events that wait or are being stored. */
  get depth(): number {
    return this.#events;
  }

  /**
   * Resolves once all the rows are committed.
   * @param bytes of the body they came in
   * @throws {ApiError} 503 when the queue is full or the database stays away, 409 when an id has other content
   */
  store(rows: readonly EventRow[], bytes: number): Promise<void> {
    const limits = this.current()?.config.limits;
    if (limits === undefined)
      return Promise.reject(ApiError.unavailable("not_configured", "The service has no configuration yet."));
    // A request that alone exceeds the queue could never be stored: it is let in when nothing else waits.
    if (this.#events > 0 && this.#events + rows.length > limits.queueEvents) {
      return Promise.reject(ApiError.unavailable("overloaded", "Too many events are waiting to be stored; try again."));
    }
    return new Promise((resolve, reject) => {
      this.#queue.push({ rows, bytes, deadline: performance.now() + limits.storeSeconds * 1000, resolve, reject });
      this.#events += rows.length;
      this.metrics.queueDepth.set(this.#events);
      this.#schedule();
    });
  }

  /** Resolves when nothing waits and nothing runs. */
  async drain(): Promise<void> {
    if (this.#events > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  /** Stops the timer; what waits is still stored. */
  stop(): void {
    clearInterval(this.#sweep);
  }

  // While the writers wait for a lost database, those behind them are answered in time too.
  #expire(): void {
    const now = performance.now();
    for (let job = this.#queue[this.#head]; job !== undefined && job.deadline < now; job = this.#queue[this.#head]) {
      this.#head += 1;
      this.#settle(job, away());
    }
  }

  // One turn of the event loop later, so that all the requests read from the sockets in this turn go together.
  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      const writers = this.current()?.config.limits.writers ?? 1;
      while (this.#running < writers && this.#head < this.#queue.length) {
        this.#running += 1;
        void this.#run(this.#take());
      }
    });
  }

  #take(): Job[] {
    const max = this.current()?.config.limits.groupEvents ?? 1000;
    const group: Job[] = [];
    let events = 0;
    let bytes = 0;
    while (this.#head < this.#queue.length) {
      const job = this.#queue[this.#head];
      if (job === undefined || (events > 0 && (events + job.rows.length > max || bytes + job.bytes > GROUP_BYTES)))
        break;
      this.#head += 1;
      group.push(job);
      events += job.rows.length;
      bytes += job.bytes;
    }
    if (this.#head > 1024 || this.#head === this.#queue.length) {
      this.#queue.splice(0, this.#head);
      this.#head = 0;
    }
    return group;
  }

  async #run(group: Job[]): Promise<void> {
    await this.#storeAll(group);
    this.#running -= 1;
    if (this.#events === 0) {
      for (const resolve of this.#idle.splice(0)) resolve();
    }
    this.#schedule();
  }

  async #storeAll(group: Job[]): Promise<void> {
    let jobs = group;
    for (let pause = 20; jobs.length > 0;) {
      try {
        jobs = await this.#attempt(jobs);
      } catch (error) {
        const retry = await this.#mayRetry(error);
        if (!retry && jobs.length > 1) {
          // One request's rows upset the database: the others must not pay for it.
          for (const job of jobs) await this.#storeAll([job]);
          return;
        }
        const now = performance.now();
        jobs = jobs.filter((job) => {
          if (retry && now + pause < job.deadline) return true;
          this.#settle(job, retry ? away() : failed(error));
          return false;
        });
        if (jobs.length > 0) await new Promise((resolve) => setTimeout(resolve, pause));
        pause = Math.min(pause * 2, 500);
      }
    }
  }

  /** Stores what it can of the group and answers what has to be tried again. */
  async #attempt(jobs: Job[]): Promise<Job[]> {
    const storage = this.current();
    if (storage === undefined) throw new Error("no configuration");
    const { rows, owners, later } = merge(jobs);
    try {
      await storage.write((db) => storeEvents(db, rows));
    } catch (error) {
      if (storage.count(error) !== "conflict") throw error;
      const refused = new Map<Job, string>();
      for (const position of refusedPositions(error)) {
        const row = rows[position];
        if (row !== undefined) for (const job of owners.get(row.id) ?? []) refused.set(job, row.id);
      }
      for (const [job, id] of refused) this.#settle(job, conflict(job, id));
      return jobs.filter((job) => !refused.has(job));
    }
    this.metrics.batchSize.observe(rows.length);
    this.metrics.countEvents(rows);
    for (const job of jobs) if (!later.has(job)) this.#settle(job);
    return [...later];
  }

  async #mayRetry(error: unknown): Promise<boolean> {
    const storage = this.current();
    const kind = kindOf(error);
    if (kind !== "partition") return kind !== "query";
    try {
      await storage?.ensurePartitions();
      return true;
    } catch {
      return false;
    }
  }

  #settle(job: Job, error?: Error): void {
    this.#events -= job.rows.length;
    this.metrics.queueDepth.set(this.#events);
    if (error === undefined) job.resolve();
    else job.reject(error);
  }
}

function away(): ApiError {
  return ApiError.unavailable(
    "storage_unavailable",
    "The database is away; try again. Events with an id of their own can be sent again safely.",
  );
}

/** Class 22 is a value the database cannot hold, 54 one that is too big for it: the request's fault, whatever let it through. */
function failed(error: unknown): Error {
  const { code } = error as { code?: string };
  return code !== undefined && /^(22|54)/.test(code)
    ? new ApiError(400, "invalid_event", "The database cannot hold a value of this event.")
    : new Error("storing failed", { cause: error });
}

function conflict(job: Job, id: string): ApiError {
  const index = job.rows.findIndex((row) => row.id === id);
  return new ApiError(409, "conflict", "An event with this id and other content is already stored.", {
    details: [{ index, field: "id", message: "is already stored with other content" }],
  });
}

/**
 * The rows of a group, each id once. A request whose id another request of the group uses with other content waits for
 * the next statement, which then refuses it.
 */
function merge(jobs: readonly Job[]): { rows: EventRow[]; owners: Map<string, Job[]>; later: Set<Job> } {
  const seen = new Map<string, EventRow>();
  const owners = new Map<string, Job[]>();
  const later = new Set<Job>();
  for (const job of jobs) {
    const differs = job.rows.some((row) => {
      const other = seen.get(row.id);
      return other !== undefined && !sameContent(other, row);
    });
    if (differs) {
      later.add(job);
      continue;
    }
    for (const row of job.rows) {
      if (!seen.has(row.id)) seen.set(row.id, row);
      const list = owners.get(row.id);
      if (list === undefined) owners.set(row.id, [job]);
      else list.push(job);
    }
  }
  return { rows: [...seen.values()], owners, later };
}

/** Whether two rows have the same content; data is compared as JSON, so the order of keys does not matter. */
export function sameContent(a: EventRow, b: EventRow): boolean {
  return (
    a.occurredAt === b.occurredAt &&
    a.application === b.application &&
    a.actor === b.actor &&
    a.action === b.action &&
    a.resource === b.resource &&
    a.outcome === b.outcome &&
    (a.data === b.data || isDeepStrictEqual(JSON.parse(a.data), JSON.parse(b.data)))
  );
}
