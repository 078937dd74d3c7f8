import { ApiError } from "./api-error.js";
import { type Batch, eventOfRow, idsOf } from "./batch.js";
import { FairLimit, type FairShare } from "./fair-limit.js";
import { EventWriter, refusedRows } from "./event-writer.js";
import type { Metrics } from "./metrics.js";
import { kindOf, type ErrorKind, type Storage } from "./storage.js";
import type { Queries } from "./connections.js";

/** What {@link Ingest} stores with. */
export interface Store {
  readonly config: Pick<Storage["config"], "limits">;
  write<T>(statement: (db: Queries) => Promise<T>): Promise<T>;
  count(error: unknown): ErrorKind;
  ensurePartitions(): Promise<void>;
}

interface Job {
  readonly batch: Batch;
  readonly bytes: number;
  /** Of the events that may wait. */
  readonly share: FairShare;
  readonly deadline: number;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/** Bytes of bodies per statement: its parameters are copies of their content. */
const GROUP_BYTES = 1_048_576;

/**
 * Groups concurrent requests into one statement and answers each after the commit. While all writers are busy, requests
 * gather, so groups grow with the load and share the cost of a commit. The queue is bounded in events here, and in
 * bytes by the requests' {@link FairLimit}.
 */
export class Ingest {
  readonly #queue: Job[] = [];
  #head = 0;
  readonly #waiting = new FairLimit();
  #running = 0;
  #scheduled = false;
  readonly #writer = new EventWriter();
  #idle: (() => void)[] = [];
  readonly #sweep = setInterval(() => this.#expire(), 200).unref();

  /**
   * @param current the storage in force now; called for every attempt, so that a reload takes effect for queued events
   * too
   */
  constructor(
    private readonly current: () => Store | undefined,
    private readonly metrics: Metrics,
  ) {}

  /** Events that wait or are being stored. */
  get depth(): number {
    return this.#waiting.held;
  }

  /**
   * Resolves once all the events are committed.
   * @param bytes of the body they came in
   * @param holder whose events they are: no single holder may fill the queue
   * @throws {ApiError} 503 if the queue is full or the database stays unavailable, 409 if an id is stored with other
   * content
   */
  store(batch: Batch, bytes: number, holder: string): Promise<void> {
    const limits = this.current()?.config.limits;
    if (limits === undefined)
      return Promise.reject(ApiError.unavailable("not_configured", "The service has no configuration yet."));
    const share = this.#waiting.open(holder);
    if (!share.take(batch.events, limits.queueEvents)) {
      return Promise.reject(
        ApiError.unavailable("overloaded", "Too many events are waiting to be stored; retry later."),
      );
    }
    return new Promise((resolve, reject) => {
      const deadline = performance.now() + limits.storeSeconds * 1000;
      this.#queue.push({ batch, bytes, share, deadline, resolve, reject });
      this.metrics.queueDepth.set(this.depth);
      this.#schedule();
    });
  }

  /** Resolves when nothing waits and nothing runs. */
  async drain(): Promise<void> {
    if (this.depth > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  /** Stops the timer; waiting events are still stored. */
  stop(): void {
    clearInterval(this.#sweep);
  }

  // While the writers wait for a lost database, requests in the queue must be answered in time too.
  #expire(): void {
    const now = performance.now();
    for (let job = this.#queue[this.#head]; job !== undefined && job.deadline < now; job = this.#queue[this.#head]) {
      this.#head += 1;
      this.#settle(job, away());
    }
  }

  // One turn of the event loop later, so that all requests read from sockets in this turn are grouped.
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
      if (job === undefined || (events > 0 && (events + job.batch.events > max || bytes + job.bytes > GROUP_BYTES)))
        break;
      this.#head += 1;
      group.push(job);
      events += job.batch.events;
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
    if (this.depth === 0) {
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
          // The rows of one request made the statement fail: store each request separately, so that the others succeed.
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

  /** Stores what it can of the group and returns the requests to retry. */
  async #attempt(jobs: Job[]): Promise<Job[]> {
    const storage = this.current();
    if (storage === undefined) throw new Error("no configuration");
    const { now, later } = apart(jobs);
    const batches = now.map((job) => job.batch);
    try {
      await storage.write((db) => this.#writer.store(db, batches));
    } catch (error) {
      if (storage.count(error) !== "conflict") throw error;
      const refused = refusedEvents(now, refusedRows(error));
      for (const [job, index] of refused) this.#settle(job, conflict(index));
      return jobs.filter((job) => !refused.has(job));
    }
    this.metrics.batchSize.observe(batches.reduce((sum, batch) => sum + batch.rows, 0));
    for (const job of now) {
      this.metrics.countEvents(job.batch.applications);
      this.#settle(job);
    }
    return later;
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
    job.share.release();
    this.metrics.queueDepth.set(this.depth);
    if (error === undefined) job.resolve();
    else job.reject(error);
  }
}

function away(): ApiError {
  return ApiError.unavailable(
    "storage_unavailable",
    "The database is unavailable; retry later. Events that have an id can be sent again safely.",
  );
}

/**
 * SQLSTATE class 22 is a value that the database cannot store, 54 one that is too big: the request's fault, although
 * validation let it through.
 */
function failed(error: unknown): Error {
  const { code } = error as { code?: string };
  return code !== undefined && /^(22|54)/.test(code)
    ? new ApiError(400, "invalid_event", "The database cannot hold a value of this event.")
    : new Error("storing failed", { cause: error });
}

function conflict(index: number): ApiError {
  return new ApiError(409, "conflict", "An event with this id and other content is already stored.", {
    details: [{ index, field: "id", message: "is already stored with other content" }],
  });
}

/**
 * Splits a group so that no id comes twice in one statement (whatever its application; equal ids of two applications
 * are rare). A request with an id that another one in the group has waits for the next statement, which finds the id
 * stored and compares the content.
 */
function apart(jobs: readonly Job[]): { now: Job[]; later: Job[] } {
  const seen = new Set<string>();
  const now: Job[] = [];
  const later: Job[] = [];
  for (const job of jobs) {
    const ids = job.batch.chosen ? idsOf(job.batch) : [];
    if (ids.some((id) => seen.has(id))) {
      later.push(job);
      continue;
    }
    for (const id of ids) seen.add(id);
    now.push(job);
  }
  return { now, later };
}

/** Maps each request with a refused row to the index of that row's event. `rows` are counted over all requests. */
function refusedEvents(jobs: readonly Job[], rows: readonly number[]): Map<Job, number> {
  const refused = new Map<Job, number>();
  let first = 0;
  for (const job of jobs) {
    const row = rows.find((at) => at >= first && at < first + job.batch.rows);
    if (row !== undefined) refused.set(job, eventOfRow(job.batch, row - first));
    first += job.batch.rows;
  }
  return refused;
}
