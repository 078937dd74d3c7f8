import assert from "node:assert/strict";
import * as http from "node:http";
import * as https from "node:https";
import { setTimeout as sleep } from "node:timers/promises";

export interface LoadResult {
  /** Requests answered 201. */
  stored: number;
  /** Every other answer or broken connection, counted by code. */
  lost: Record<string, number>;
  /** Each of them with the time of its request, by `performance.now()`, and its duration. */
  answers: Answer[];
  /** When each lost request was sent, in seconds since the start of the load. */
  lostAt: number[];
}

export interface Answer {
  at: number;
  ms: number;
}

/** A quantile of the durations in milliseconds, for example 0.99; NaN without answers. */
export function quantile(answers: readonly Answer[], share: number): number {
  const sorted = answers.map(({ ms }) => ms).sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length * share)] ?? NaN;
}

/** Asserts that no request was lost; a failure says when they were sent, because a deploy has phases. @returns the result */
export function withoutLoss(result: LoadResult | undefined): LoadResult {
  assert.ok(result, "no load was started");
  const { lost, lostAt, stored } = result;
  const [first, last] = [Math.min(...lostAt), Math.max(...lostAt)].map((at) => at.toFixed(1));
  assert.deepEqual(lost, {}, `lost ${JSON.stringify(lost)}, sent at ${first} to ${last} s; stored ${stored}`);
  return result;
}

export interface Load {
  /** Stops the load generator and waits for running requests. */
  stop(): Promise<LoadResult>;
}

export interface LoadOptions {
  url: string;
  token: string;
  application: string;
  /** Keep-alive connections; default 20. */
  clients?: number;
  /** Requests a second in all; default 200. */
  rate?: number;
  /** For an https URL: the authority, and the server name to request. */
  tls?: { ca: string; servername: string };
  /** Seconds after which it stops by itself if nobody stops it; default 300. */
  limit?: number;
}

/**
 * Clients with keep-alive connections that send one event after another at a constant rate. A request is never
 * repeated: lost ones are counted.
 */
export function startLoad(options: LoadOptions): Load {
  const { url, token, application, clients = 20, rate = 200, limit = 300, tls } = options;
  const result: LoadResult = { stored: 0, lost: {}, answers: [], lostAt: [] };
  const begun = performance.now();
  const end = Date.now() + limit * 1000;
  let stopped = false;

  const client = async (): Promise<void> => {
    const keep = { keepAlive: true, maxSockets: 1 };
    const agent = tls === undefined ? new http.Agent(keep) : new https.Agent({ ...keep, ...tls });
    const pause = (clients / rate) * 1000;
    let next = Date.now() + Math.random() * pause;
    while (!stopped && Date.now() < end) {
      await sleep(Math.max(0, next - Date.now()));
      next += pause;
      const started = performance.now();
      const outcome = await send(agent);
      if (outcome === 201) {
        result.stored += 1;
        result.answers.push({ at: started, ms: performance.now() - started });
      } else {
        result.lost[outcome] = (result.lost[outcome] ?? 0) + 1;
        result.lostAt.push((started - begun) / 1000);
      }
    }
    agent.destroy();
  };

  const send = (agent: http.Agent): Promise<number | string> =>
    new Promise((done) => {
      const body = JSON.stringify({
        application,
        actor: "load",
        action: "request",
        resource: "edge",
        outcome: "success",
        occurredAt: new Date().toISOString(),
      });
      const sent = (tls === undefined ? http : https).request(
        `${url}/v1/events`,
        {
          method: "POST",
          agent,
          timeout: 15_000,
          headers: {
            authorization: `Bearer ${token}`,
            "content-type": "application/json",
            "content-length": Buffer.byteLength(body),
          },
        },
        (response) => {
          response.resume();
          response.on("end", () => done(response.statusCode ?? 0));
          response.on("error", () => done("cut off"));
        },
      );
      sent.on("timeout", () => sent.destroy(new Error("timeout")));
      sent.on("error", (error: NodeJS.ErrnoException) => done(error.code ?? error.message));
      sent.end(body);
    });

  const running = Promise.all(Array.from({ length: clients }, client));
  return {
    async stop() {
      stopped = true;
      await running;
      return result;
    },
  };
}
