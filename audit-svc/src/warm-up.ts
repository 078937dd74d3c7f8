import { createHash, randomUUID } from "node:crypto";
import { once } from "node:events";
import { Agent, type IncomingMessage, request } from "node:http";
import type { AddressInfo } from "node:net";
import type { FastifyBaseLogger, FastifyInstance } from "fastify";
import { FairLimit } from "./fair-limit.js";
import type { Config } from "./config.js";
import { reasonOf } from "./errors.js";
import { AccessLog } from "./access-log.js";
import { eventsRoutes } from "./events-routes.js";
import { Ingest, type Store } from "./ingest.js";
import { Metrics } from "./metrics.js";
import type { Storage } from "./storage.js";
import { Tokens } from "./tokens.js";
import { VERSION } from "./version.js";

/** V8 (in Node 24) optimizes code after about five hundred runs, and nearly everything here runs once per request. */
const REQUESTS = 700;
const CONNECTIONS = 4;
/** Time limit: on a busy machine waiting longer does not help. */
const MILLISECONDS = 3_000;

const EVENT = JSON.stringify({
  ...{ application: "warm-up", actor: "audit-svc", action: "warm-up", resource: "events", outcome: "success" },
  occurredAt: new Date().toISOString(),
  data: { amount: 12.5, tags: ["none", "of", "this", "is", "stored"] },
});

let warm = false;

/**
 * Sends requests to a copy of the service once, before the process serves clients. Otherwise V8 would compile
 * everything within a tenth of a second shortly after a promotion, in all replicas at once (docs/decisions/0092). The
 * requests take the same path as a client's, over a connection, but their statements store no rows.
 *
 * @param server creates the copy's HTTP server
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
      eventsRoutes({
        configReloader: { active },
        ingest,
        accessLog: new AccessLog(() => active, ingest),
        bodyMemoryLimit: new FairLimit(),
        stopping: () => false,
      }),
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

/** Runs the same statement in the same way, with empty arrays. */
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
