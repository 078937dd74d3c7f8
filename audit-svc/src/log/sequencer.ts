import type { FastifyBaseLogger } from "fastify";
import type { Active } from "../config-reloader.js";
import { reasonOf } from "../errors.js";
import { LogLimit } from "../log-limit.js";
import type { Metrics } from "../metrics.js";
import type { Storage } from "../storage.js";
import type { LogConfig } from "./config.js";
import { type Progress, hashTiles, keep, kept, lag, sequence, storedTree } from "./log-store.js";
import { checkpointText } from "./note.js";
import { type Signer, signerOf } from "./signer.js";
import { rootOf } from "./tree.js";

/** Milliseconds from the end of one turn to the next. */
const PAUSE = 1_000;

type Step = "sequence" | "sign";

/**
 * Gives stored events their place in the log and signs checkpoints, once a second while there is something new. It
 * follows the configuration in force and does nothing while that has no log. Several replicas may do this at once: the
 * database lets one at a time add to the tree, and keeps the largest checkpoint.
 */
export class Sequencer {
  readonly #limit = new LogLimit();
  #timer: NodeJS.Timeout | undefined;
  #turn: Promise<void> = Promise.resolve();
  #stopped = false;
  #signer: { of: string; signer: Signer } | undefined;

  constructor(
    private readonly active: () => Active | undefined,
    private readonly metrics: Metrics,
    private readonly log: FastifyBaseLogger,
  ) {
    this.#next();
  }

  /** Who signs this log; kept for as long as its settings are the same, because it remembers Vault's keys. */
  signer({ origin, signer }: LogConfig): Signer {
    const of = JSON.stringify([origin, signer]);
    if (this.#signer?.of !== of) this.#signer = { of, signer: signerOf(origin, signer) };
    return this.#signer.signer;
  }

  /** Ends after the turn that is running. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#turn;
  }

  #next(): void {
    if (this.#stopped) return;
    this.#timer = setTimeout(() => {
      this.#turn = this.#run().finally(() => this.#next());
    }, PAUSE);
    this.#timer.unref();
  }

  async #run(): Promise<void> {
    const active = this.active();
    const settings = active?.config.log;
    if (active === undefined || settings === undefined) {
      for (const figure of this.metrics.logFigures) figure.remove();
      return;
    }
    const { storage } = active;
    await this.#step("sequence", storage, async () => {
      let progress = await storage.background(sequence);
      for (; progress.more && !this.#stopped; progress = await storage.background(sequence));
      this.metrics.logSize.set(progress.size);
      const before = await storage.background((db) => kept(db, "signed"));
      const isNew = progress.size > (before?.size ?? 0);
      if (isNew && (await this.#hash(storage, progress))) await this.#step("sign", storage, () => this.#sign(storage, settings, progress)); // prettier-ignore
      await this.#show(storage);
    });
  }

  /** Whether every hash is there that the root needs; not if another replica computes them and will sign. */
  async #hash(storage: Storage, { size }: Progress): Promise<boolean> {
    for (;;) {
      const result = await storage.background((db) => hashTiles(db, size));
      if (result !== "more" || this.#stopped) return result === "done";
    }
  }

  async #sign(storage: Storage, settings: LogConfig, progress: Progress): Promise<void> {
    const { size } = progress;
    const root = await storage.background((db) => rootOf(size, storedTree(db, size)));
    const note = await this.signer(settings).sign(checkpointText({ origin: settings.origin, size, root }));
    await storage.background((db) => keep(db, "signed", progress, note));
  }

  async #show(storage: Storage): Promise<void> {
    const { metrics } = this;
    const [signed, witnessed, seconds] = await storage.background(async (db) => {
      const newest = await kept(db, "signed");
      return [newest, await kept(db, "witnessed"), await lag(db, newest?.lastSeq ?? Number.MIN_SAFE_INTEGER)] as const;
    });
    metrics.logLag.set(seconds);
    if (signed !== undefined) {
      metrics.logCheckpointSize.set(signed.size);
      metrics.logCheckpointTime.set(signed.madeAt);
    }
    if (witnessed !== undefined) {
      metrics.logWitnessedSize.set(witnessed.size);
      metrics.logWitnessedTime.set(witnessed.madeAt);
    }
  }

  /** Events are stored whether this succeeds or not; the next turn tries again. */
  async #step(step: Step, storage: Storage, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      // A reload has closed these connections; the next turn has the new ones.
      if (this.active()?.storage !== storage) return;
      this.metrics.logErrors.inc({ step });
      if (step === "sequence") storage.count(error);
      const pass = this.#limit.pass(step);
      if (pass !== undefined) this.log.warn({ step, reason: reasonOf(error), ...pass }, "the log does not come on");
    }
  }
}
