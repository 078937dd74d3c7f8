import type { LogRecord } from "./record";

/** Milliseconds for which a line waits for older ones of other containers. */
const PATIENCE = 300;

/** Puts lines of several containers in the order of time. Of lines that come late, only those of a moment are sorted. */
export class Merge {
  #waiting: LogRecord[] = [];
  #timer: NodeJS.Timeout | undefined;

  /** @param live whether lines go on before the end */
  constructor(
    private readonly live: boolean,
    private readonly show: (record: LogRecord) => void,
  ) {}

  add(record: LogRecord): void {
    this.#waiting.push(record);
    if (this.live) this.#timer ??= setTimeout(() => this.flush(), PATIENCE);
  }

  /** Shows what waits. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const sorted = this.#waiting.sort((a, b) => (a.time < b.time ? -1 : a.time > b.time ? 1 : 0));
    this.#waiting = [];
    for (const record of sorted) this.show(record);
  }
}
