import { readFile } from "node:fs/promises";
import type { FastifyBaseLogger } from "fastify";
import { type Config, digestOf, parseConfig } from "./config.js";
import { UserError, reasonOf } from "./errors.js";
import type { Metrics } from "./metrics.js";
import { Storage } from "./storage.js";
import { Tokens } from "./tokens.js";

/** One configuration in force, and the objects built from it. */
export interface Active {
  readonly config: Config;
  readonly storage: Storage;
  readonly tokens: Tokens;
  readonly generation: number;
}

export type ReloadResult = "applied" | "unchanged" | "unreadable" | "invalid" | "unreachable";

/** The result of an attempt to load the configuration file. */
export interface Reload {
  readonly result: ReloadResult;
  readonly generation: number;
  /** Digest in force, empty before the first. */
  readonly digest: string;
  readonly reason?: string;
}

/**
 * Holds the configuration in force. A new one comes into force only after its database has been reached and checked;
 * until then the old one serves. Attempts run one after another.
 */
export class ConfigReloader {
  #active: Active | undefined;
  #generation = 0;
  #turn: Promise<unknown> = Promise.resolve();
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;
  #failed: { digest: string; at: number; times: number } | undefined;
  #waiting = "not read yet";

  constructor(
    private readonly file: string,
    private readonly metrics: Metrics,
    private readonly log: FastifyBaseLogger,
    /** Runs with a valid configuration before it comes into force; its failure does not reject the configuration. */
    private readonly prepare: (config: Config, storage: Storage) => Promise<void>,
  ) {}

  get active(): Active | undefined {
    return this.#active;
  }

  /** Why there is no configuration yet, or why the last attempt failed; empty when the last one succeeded. */
  get waiting(): string {
    return this.#waiting;
  }

  /** Loads the file. Never throws: the result says what went wrong. */
  reload(): Promise<Reload> {
    const next = this.#turn.then(() => this.#reload());
    this.#turn = next;
    return next;
  }

  /**
   * Checks the file periodically and loads it after a change, so that a lost call to `/reload` is made up for, and
   * retries if the database could not be reached. It compares the content: if a file is written in place, is a bind
   * mount or has a coarse timestamp, stat() may not show a change.
   */
  watch(seconds: number): void {
    if (seconds <= 0 || this.#stopped) return;
    this.#timer = setTimeout(() => {
      void this.#look().finally(() => this.watch(seconds));
    }, seconds * 1000);
    this.#timer.unref();
  }

  /** Stops watching, and closes the storage once running statements are done. */
  async close(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#turn;
    await this.#active?.storage.close();
  }

  async #look(): Promise<void> {
    const bytes = await readFile(this.file).catch(() => undefined);
    if (bytes === undefined) return;
    const digest = digestOf(bytes);
    if (digest === this.#active?.config.digest) return;
    if (this.#failed?.digest === digest) {
      const pause = Math.min(30_000, 1000 * 2 ** Math.min(this.#failed.times, 5));
      if (performance.now() - this.#failed.at < pause) return;
    }
    await this.reload();
  }

  async #reload(): Promise<Reload> {
    let bytes: Buffer;
    try {
      bytes = await readFile(this.file);
    } catch (error) {
      const why = (error as NodeJS.ErrnoException).code ?? reasonOf(error);
      const reason = `cannot read ${this.file}: ${why}`;
      if (this.#active !== undefined || why !== "ENOENT") return this.#refuse("unreadable", reason);
      // After a reboot a replica may run before the agent has rendered the file. Nothing was refused, so no alert fires.
      this.#waiting = reason;
      this.log.warn({ reason }, "waiting for the configuration");
      return this.#answer("unreadable", reason);
    }
    const digest = digestOf(bytes);
    if (digest === this.#active?.config.digest) {
      this.#failed = undefined;
      this.#waiting = "";
      return this.#report("unchanged");
    }
    let config: Config;
    try {
      config = parseConfig(bytes);
    } catch (error) {
      return this.#refuse("invalid", reasonOf(error), digest);
    }
    const storage = new Storage(config, this.metrics, this.log);
    try {
      await storage.probe();
      await storage.ensurePartitions();
      await storage.testWrite();
    } catch (error) {
      void storage.close().catch(() => undefined);
      return this.#refuse(
        "unreachable",
        error instanceof UserError ? error.message : `database: ${reasonOf(error)}`,
        digest,
      );
    }
    await this.prepare(config, storage);
    this.#activate(config, storage);
    return this.#report("applied");
  }

  #activate(config: Config, storage: Storage): void {
    const old = this.#active;
    this.#generation += 1;
    this.#active = { config, storage, tokens: new Tokens(config.tokens), generation: this.#generation };
    this.#failed = undefined;
    this.#waiting = "";
    const { metrics } = this;
    metrics.allowApplications(
      config.tokens.flatMap((token) => token.application ?? []),
      config.limits.applications,
    );
    metrics.generation.set(this.#generation);
    metrics.digest.reset();
    metrics.digest.set({ digest: config.digest }, 1);
    metrics.lastReload.set(Date.now() / 1000);
    this.log.info(
      {
        generation: this.#generation,
        digest: config.digest,
        databaseUser: config.database.user,
        tokens: config.tokens.length,
      },
      "configuration in force",
    );
    // Running requests finish with the old pools; new ones do not get them.
    old?.storage
      .close()
      .catch((error: unknown) => this.log.warn({ reason: reasonOf(error) }, "closing the old pools failed"));
  }

  #refuse(result: ReloadResult, reason: string, digest = ""): Reload {
    this.#failed = {
      digest,
      at: performance.now(),
      times: this.#failed?.digest === digest ? this.#failed.times + 1 : 0,
    };
    this.#waiting = reason;
    this.log.error({ result, reason, keeps: this.#generation }, "configuration rejected");
    return this.#report(result, reason);
  }

  #report(result: ReloadResult, reason?: string): Reload {
    this.metrics.reloads.inc({ result });
    return this.#answer(result, reason);
  }

  #answer(result: ReloadResult, reason?: string): Reload {
    return {
      result,
      generation: this.#generation,
      digest: this.#active?.config.digest ?? "",
      ...(reason === undefined ? {} : { reason }),
    };
  }
}
