import type { Progress, Step, StepResult } from "./display.js";
import { interrupt } from "./interrupt.js";

/** Work that runs in parallel and is shown when its turn comes. */
export interface Job<T> {
  /** Waits for the work; from now on its messages go to `progress`. */
  follow(progress: Progress): Promise<T>;
  /** How long the work has taken, in milliseconds. */
  elapsed(): number;
}

/** Runs a limited number of jobs at once, in the order in which they were added. */
export class Pool {
  private free: number;
  private readonly waiting: (() => void)[] = [];

  constructor(size: number) {
    this.free = size;
  }

  start<T>(work: (progress: Progress) => Promise<T>): Job<T> {
    let listener: Progress | undefined;
    let last: string | undefined;
    const say: Progress = (line) => {
      last = line;
      listener?.(line);
    };
    let began = performance.now();
    let ended: number | undefined;
    const result = this.turn().then(async () => {
      began = performance.now();
      try {
        interrupt.throwIfAborted();
        return await work(say);
      } finally {
        ended = performance.now();
        this.free++;
        this.waiting.shift()?.();
      }
    });
    // follow() throws its error; until then an unhandled rejection must not end the process.
    result.catch(() => undefined);
    return {
      follow: (progress) => {
        listener = progress;
        if (last !== undefined) progress(last);
        return result;
      },
      elapsed: () => (ended ?? performance.now()) - began,
    };
  }

  private async turn(): Promise<void> {
    while (this.free === 0) await new Promise<void>((resolve) => this.waiting.push(resolve));
    this.free--;
  }
}

/** A step that shows a job that is already running. `job` is called when its turn comes. */
export const following = <T>(name: string, job: () => Job<T>, result: (value: T) => StepResult): Step => ({
  name,
  run: async (progress) => {
    const followed = job();
    const value = await followed.follow(progress);
    return { ...result(value), elapsed: followed.elapsed() };
  },
});
