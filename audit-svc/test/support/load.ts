import { Agent } from "node:http";
import { event, send } from "./events.js";
import { pause, until } from "./postgres.js";

/**
 * Clients that send one event after another and repeat each with its id until it is acknowledged, like a careful
 * client.
 */
export class Load {
  readonly acked: string[] = [];
  readonly codes = new Map<number, number>();
  retryAfterMissing = 0;
  #running = true;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 16 });
  readonly #done: Promise<unknown>;

  constructor(url: string) {
    this.#done = Promise.all(
      Array.from({ length: 16 }, async () => {
        while (this.#running) {
          const one = event();
          for (let status = -1; status !== 201 && this.#running;) {
            const answer = await send(url, this.#agent, one);
            status = answer.status;
            this.codes.set(status, (this.codes.get(status) ?? 0) + 1);
            if (status === 201) this.acked.push(one.id);
            else {
              if (status === 503 && answer.retryAfter === undefined) this.retryAfterMissing += 1;
              await pause(20);
            }
          }
        }
      }),
    );
  }

  /** Waits until this many more events have been acknowledged. */
  async more(count: number): Promise<void> {
    const goal = this.acked.length + count;
    await until(
      () => this.acked.length >= goal,
      60_000,
      `${count} more acknowledged events (so far ${JSON.stringify([...this.codes])})`,
    );
  }

  async stop(): Promise<void> {
    this.#running = false;
    await this.#done;
    this.#agent.destroy();
  }
}
