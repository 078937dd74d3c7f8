import type { ListrTask } from "listr2";
import { interrupt } from "./interrupt.js";

export type Progress = (line: string) => void;

/** What a step reports when it has ended. */
export interface StepResult {
  /** True if there was nothing to do. */
  cached?: boolean;
  /** A few words for the reader, for example from which source an artifact came. */
  detail?: string;
  /** How long the work took, if it began before its turn to be shown. Milliseconds. */
  elapsed?: number;
}

export interface Step {
  name: string;
  run(progress: Progress): Promise<StepResult | undefined>;
}

export interface DisplayOptions {
  /** Live display instead of plain lines. Default: whether stderr is a terminal. */
  live?: boolean;
  /** Where plain lines go. Default: stderr. */
  write?: (line: string) => void;
  /** Milliseconds between progress lines of a step in plain display. Default 15,000. */
  heartbeatMs?: number;
  /** No step begins once it is aborted; its reason is thrown. Default: an interrupt of the process. */
  stop?: AbortSignal;
}

/**
 * Runs the steps one after another and shows each one's name, elapsed time, and whether there was anything to do. The
 * first error ends the run and is thrown unchanged.
 */
export async function runSteps(steps: readonly Step[], options: DisplayOptions = {}): Promise<void> {
  const live = options.live ?? (process.stderr.isTTY && process.env.CI === undefined);
  await (live ? runLive(steps, options) : runPlain(steps, options));
}

async function runPlain(steps: readonly Step[], options: DisplayOptions): Promise<void> {
  const { stop = interrupt } = options;
  const write = options.write ?? ((line: string) => process.stderr.write(line + "\n"));
  const width = String(steps.length).length;
  for (const [index, step] of steps.entries()) {
    stop.throwIfAborted();
    const label = `[${String(index + 1).padStart(width)}/${steps.length}] ${step.name}`;
    const started = performance.now();
    let last = "";
    let lastWrite = started;
    const say = (line: string): void => {
      lastWrite = performance.now();
      write(line);
    };
    const beat = setInterval(() => {
      if (performance.now() - lastWrite >= (options.heartbeatMs ?? 15_000) * 0.9) {
        say(`${label}: still working, ${seconds(started)}${last ? ` (${last})` : ""}`);
      }
    }, options.heartbeatMs ?? 15_000);
    try {
      const result = await step.run((line) => {
        if (line === last) return;
        last = line;
        // Builds print hundreds of lines; one every two seconds is enough.
        if (performance.now() - lastWrite > 2_000) say(`${label}: ${line}`);
      });
      say(`${label}: ${ending(result, started)}`);
    } catch (error) {
      say(`${label}: failed after ${seconds(started)}`);
      throw error;
    } finally {
      clearInterval(beat);
    }
  }
}

async function runLive(steps: readonly Step[], { stop = interrupt }: DisplayOptions): Promise<void> {
  // Loaded only for a terminal, so that a run with nothing to do does not pay for it.
  const { Listr: Runner } = await import("listr2");
  const tasks: ListrTask[] = steps.map((step) => ({
    title: step.name,
    task: async (_context, task) => {
      stop.throwIfAborted();
      const started = performance.now();
      let last = "";
      const draw = (): void => {
        task.title = `${step.name} ${seconds(started)}`;
      };
      const clock = setInterval(draw, 1_000);
      try {
        const result = await step.run((line) => {
          if (line === last) return;
          last = line;
          task.output = line;
        });
        task.title = `${step.name}: ${ending(result, started)}`;
      } finally {
        clearInterval(clock);
      }
    },
  }));
  const runner = new Runner(tasks, {
    concurrent: false,
    exitOnError: true,
    // It would end the process at once, before Pulumi has recorded what it has done.
    registerSignalListeners: false,
    rendererOptions: { collapseErrors: false, showErrorMessage: false },
  });
  await runner.run();
}

function ending(result: StepResult | undefined, started: number): string {
  const state = result?.cached ? "cached" : "done";
  const time = result?.elapsed === undefined ? seconds(started) : `${(result.elapsed / 1000).toFixed(1)} s`;
  return `${state} in ${time}${result?.detail ? ` (${result.detail})` : ""}`;
}

const seconds = (started: number): string => `${((performance.now() - started) / 1000).toFixed(1)} s`;
