import { EXIT } from "./errors";

/** Milliseconds a command has to put away what it holds. */
const PATIENCE = 3_000;

/**
 * Ctrl-C, a termination, and a terminal that is gone. The first aborts {@link Interrupts.signal}, and the command ends
 * by itself; a second one, or a command that goes on, ends the process.
 */
export class Interrupts {
  readonly #controller = new AbortController();
  #attached = 0;

  constructor(private readonly exit: (code: number) => void = (code) => process.exit(code)) {}

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  listen(): void {
    for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(name, () => this.interrupt());
  }

  interrupt(): void {
    if (this.#attached > 0) return;
    if (this.signal.aborted) this.exit(EXIT.interrupted);
    this.#controller.abort();
    setTimeout(() => this.exit(EXIT.interrupted), PATIENCE).unref();
  }

  /** While a program has the terminal (psql, a shell), Ctrl-C is that program's. */
  async attached<T>(work: () => Promise<T>): Promise<T> {
    this.#attached += 1;
    try {
      return await work();
    } finally {
      this.#attached -= 1;
    }
  }
}
