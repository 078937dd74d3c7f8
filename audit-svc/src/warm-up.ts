import { createHash, randomUUID } from "node:crypto";
import { once } from "node:events";
import { Agent, type IncomingMessage, request } from "node:http";
import type { AddressInfo } from "node:net";
import type { FastifyBaseLogger, FastifyInstance } from "fastify";
import { FairLimit } from "./fair-limit.js";
import type { Config } from "./config.js";
import { reasonOf } from "./errors.js";
import { eventsRoutes } from "./events-routes.js";
import { Ingest, type Store } from "./ingest.js";
import { Metrics } from "./metrics.js";
import type { Storage } from "./storage.js";
import { Tokens } from "./tokens.js";
import { VERSION } from "./version.js";

/** V8 (of Node 24) compiles what has run some five hundred times, and nearly everything here runs once a request. */
const REQUESTS = 700;
const CONNECTIONS = 4;
/** A busy machine gets no warmer by waiting for it longer. */
const MILLISECONDS = 3_000;

const EVENT = JSON.stringify({
  ...{ application: "warm-up", actor: "audit-svc", action: "warm-up", resource: "events", outcome: "success" },
  occurredAt: new Date().toISOString(),
  data: { amount: 12.5, tags: ["none", "of", "this", "is", "stored"] },
});

let warm = false;

/**
 * Has a copy of the service answer requests of this process' own, once in its life, before it takes a client's. Otherwise V8
 * compiles all of it within a tenth of a second some moments after a release was promoted, in all replicas at once
 * (docs/decisions/0092). They take a client's way, over a connection, except that the statements store no rows.
 *
 * @param server makes the copy's HTTP server
 */
export async function warmUp(
  config: Config,
  storage: Storage,
  log: FastifyBaseLogger,
  server: (metrics: Metrics) => FastifyInstance,
): Promise<void> {
  if (warm) return;
  warm = true;
  const started = performance.now();
  const metrics = new Metrics({ version: VERSION, release: "warm-up" }, false);
  const token = randomUUID();
  const tokens = new Tokens([
    { name: "warm-up", role: "writer", sha256: createHash("sha256").update(token).digest("hex") },
  ]);
  const ingest = new Ingest(() => withoutRows(storage), metrics);
  const copy = server(metrics);
  const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });
  let left = REQUESTS;
  let answered = 0;
  try {
    const active = { config, storage, tokens, generation: 0 };
    await copy.register(
      eventsRoutes({ configReloader: { active }, ingest, bodyMemoryLimit: new FairLimit(), stopping: () => false }),
    );
    await copy.listen({ host: "127.0.0.1", port: 0 });
    const { port } = copy.server.address() as AddressInfo;
    const client = async (): Promise<void> => {
      while (left > 0 && performance.now() - started < MILLISECONDS) {
        left -= 1;
        if ((await send(agent, port, token)) === 201) answered += 1;
      }
    };
    await Promise.all(Array.from({ length: CONNECTIONS }, client));
    log.info({ requests: answered, seconds: Math.round(performance.now() - started) / 1000 }, "warmed up");
  } catch (error) {
    log.warn({ reason: reasonOf(error) }, "warming up failed; the first requests will be slower");
  } finally {
    agent.destroy();
    ingest.stop();
    await copy.close();
  }
}

/** Takes the same way to the same statement, with arrays of no rows. */
function withoutRows(storage: Storage): Store {
  return {
    config: storage.config,
    write: (statement) =>
      storage.write((db) =>
        statement({ query: (query) => db.query({ ...query, values: query.values?.map(() => "{}") }) }),
      ),
    count: (error) => storage.count(error),
    ensurePartitions: () => storage.ensurePartitions(),
  };
}

async function send(agent: Agent, port: number, token: string): Promise<number> {
  const headers = {
    ...{ authorization: `Bearer ${token}`, "content-type": "application/json", "content-length": EVENT.length },
    ...{ "x-request-id": "warm-up", "x-forwarded-for": "127.0.0.1", "x-forwarded-proto": "http" },
  };
  const sent = request({ host: "127.0.0.1", port, path: "/v1/events", method: "POST", agent, headers, timeout: MILLISECONDS }); // prettier-ignore
  sent.on("timeout", () => sent.destroy(new Error("there was no answer")));
  sent.end(EVENT);
  const [response] = (await once(sent, "response")) as [IncomingMessage];
  response.resume();
  await once(response, "end");
  return response.statusCode ?? 0;
}
