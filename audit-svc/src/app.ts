import type { Server } from "node:http";
import { Server as NetServer } from "node:net";
import { setImmediate as nextTurn, setTimeout as pause } from "node:timers/promises";
import swagger from "@fastify/swagger";
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import Fastify, { LogController, type FastifyInstance, type FastifyReply, type FastifyRequest } from "fastify";
import Type from "typebox";
import { AccessLog } from "./access-log.js";
import { ApiError, ErrorBody } from "./api-error.js";
import { FairLimit } from "./fair-limit.js";
import { ConfigReloader } from "./config-reloader.js";
import { errorAnswers, notFound } from "./error-answers.js";
import { UserError } from "./errors.js";
import { eventsRoutes } from "./events-routes.js";
import { Ingest } from "./ingest.js";
import { logRoutes } from "./log/routes.js";
import { Sequencer } from "./log/sequencer.js";
import { Metrics } from "./metrics.js";
import { DatabaseCapacity } from "./database-capacity.js";
import { followSockets } from "./sockets.js";
import { VERSION } from "./version.js";
import { warmUp } from "./warm-up.js";

/** Options of {@link buildApp}. */
export interface AppOptions {
  readonly configFile: string;
  /** Label for `audit_build_info`. Default `unknown`. */
  readonly release?: string;
  /** Serve `/reload` on the main port too. Default false. */
  readonly reloadOnMain?: boolean;
  /** pino's level. Default `info`. */
  readonly logLevel?: string;
  /** Where the log's lines go. Default stdout. */
  readonly logTo?: LogTarget;
}

interface LogTarget {
  write(line: string): void;
}

/** The service without its process: it does not listen or read its configuration until it is told to. */
export interface App {
  readonly main: FastifyInstance;
  readonly admin: FastifyInstance;
  readonly configReloader: ConfigReloader;
  readonly ingest: Ingest;
  readonly bodyMemoryLimit: FairLimit;
  readonly metrics: Metrics;
  /** Reports not ready from now on, finishes running requests, then closes everything. */
  close(): Promise<void>;
}

const Status = Type.Object({
  status: Type.String(),
  generation: Type.Integer({ description: "Number of configurations applied since the start" }),
  digest: Type.String({ description: "sha256 of the configuration file in force" }),
  schemaVersion: Type.Integer(),
  reason: Type.Optional(Type.String()),
});
const ReloadBody = Type.Object({
  result: Type.String(),
  generation: Type.Integer(),
  digest: Type.String({ description: "sha256 of the configuration file in force" }),
  reason: Type.Optional(
    Type.String({ description: "Why the file was rejected; the former configuration stays in force" }),
  ),
});

/** Builds the service. */
export async function buildApp(options: AppOptions): Promise<App> {
  const metrics = new Metrics({ version: VERSION, release: options.release ?? "unknown" });
  const level = options.logLevel ?? "info";
  let stopping = false;
  let refusing = false;
  const main = newMain(level, metrics, () => stopping, options.logTo);
  const admin = newFastify(level, options.logTo);
  const closeUnused = [followSockets(main.server), followSockets(admin.server)];
  const configReloader = new ConfigReloader(options.configFile, metrics, main.log, (config, storage) =>
    warmUp(config, storage, main.log, (quiet) => newMain("silent", quiet, () => false)),
  );
  const ingest = new Ingest(() => configReloader.active?.storage, metrics);
  const accessLog = new AccessLog(() => configReloader.active, ingest);
  const bodyMemoryLimit = new FairLimit();

  await main.register(swagger, {
    openapi: {
      openapi: "3.1.0",
      info: {
        title: "audit-svc",
        version: VERSION,
        description: "Receives audit events and stores them in PostgreSQL",
      },
      components: { securitySchemes: { token: { type: "http", scheme: "bearer" } } },
    },
  });
  await main.register(eventsRoutes({ configReloader, ingest, accessLog, bodyMemoryLimit, stopping: () => refusing }));
  const sequencer = new Sequencer(() => configReloader.active, metrics, main.log);
  await main.register(logRoutes({ configReloader, accessLog, sequencer, stopping: () => refusing }));

  main.get(
    "/healthz",
    {
      schema: {
        summary: "Liveness: the process answers",
        tags: ["operation"],
        response: { 200: Type.Object({ status: Type.String() }) },
      },
    },
    () => ({
      status: "ok",
    }),
  );

  const ready = readiness(configReloader);
  main.get(
    "/readyz",
    {
      schema: {
        summary: "Readiness: events can be stored",
        tags: ["operation"],
        response: { 200: Status, 503: Status },
      },
    },
    async (_request, reply) => {
      const reason = stopping ? "stopping" : await ready();
      const active = configReloader.active;
      void reply.code(reason === undefined ? 200 : 503);
      return {
        status: reason === undefined ? "ready" : "not ready",
        generation: active?.generation ?? 0,
        digest: active?.config.digest ?? "",
        schemaVersion: active?.storage.schemaVersion ?? 0,
        ...(reason === undefined ? {} : { reason }),
      };
    },
  );

  const capacity = new DatabaseCapacity(metrics, () => configReloader.active?.storage);
  main.get(
    "/metrics",
    { schema: { summary: "Prometheus metrics", tags: ["operation"], response: { 200: Type.String() } } },
    async (_request, reply) => {
      const storage = configReloader.active?.storage;
      // Of the database in force: a configuration that is tried and refused may name another.
      metrics.schemaVersion.set(storage?.schemaVersion ?? 0);
      const connections = storage?.connections ?? { idle: 0, busy: 0, waiting: 0 };
      for (const [state, count] of Object.entries(connections)) metrics.pool.set({ state }, count);
      void capacity.refresh();
      void reply.type(metrics.registry.contentType);
      return metrics.registry.metrics();
    },
  );

  main.get("/openapi.json", { schema: { hide: true } }, () => main.swagger());

  for (const server of options.reloadOnMain === true ? [admin, main] : [admin]) addReload(server, configReloader);

  return {
    main,
    admin,
    configReloader,
    ingest,
    bodyMemoryLimit,
    metrics,
    async close() {
      stopping = true;
      await refuseConnections(main.server);
      refusing = true;
      const cut = setInterval(() => closeUnused.forEach((close) => close()), LAST_BYTES).unref();
      await main.close();
      await ingest.drain();
      ingest.stop();
      await refuseConnections(admin.server);
      await admin.close();
      clearInterval(cut);
      // Nothing that was accepted is left. With a database that hangs, a turn of the log or a check would take half a
      // minute; what is cut off here, the next process does again.
      const rest = sequencer.stop().then(() => configReloader.close());
      await Promise.race([rest, pause(LAST_TURN, undefined, { ref: false })]);
    },
  };
}

/**
 * Milliseconds for which requests over open connections are still served: far longer than a request takes to arrive.
 */
const LAST_REQUESTS = 500;

/** Milliseconds in which a request that has begun must arrive in full, to be answered. */
const LAST_BYTES = 3_000;

/** Milliseconds for what nobody waits for: far longer than it takes while the database answers. */
const LAST_TURN = 2_000;

/**
 * Accepts no new connection but keeps the open ones: a proxy's request may be on its way over one that looks idle, and
 * would be lost. A proxy whose connection is refused tries another replica. Each answer now closes its connection, so
 * that soon few or none are left.
 */
async function refuseConnections(server: Server): Promise<void> {
  if (!server.listening) return;
  // A running export has sent its headers already, so the server must close its connection rather than wait for the
  // client.
  server.keepAliveTimeout = 1;
  // Not the HTTP server's own close(), which closes idle connections first.
  const none = new Promise<void>((resolve) => NetServer.prototype.close.call(server, () => resolve()));
  await Promise.race([none, pause(LAST_REQUESTS, undefined, { ref: false })]);
  // A busy process may not have read yet what has come; it does so before the next turn ends.
  await nextTurn();
}

/** The main server with everything that applies to all requests, without routes. */
function newMain(level: string, metrics: Metrics, stopping: () => boolean, logTo?: LogTarget): FastifyInstance {
  const sending = (reply: FastifyReply): void => {
    if (stopping()) void reply.header("connection", "close");
  };
  const answered = (request: FastifyRequest, reply: FastifyReply): void =>
    metrics.observe(request.method, request.routeOptions.url, reply.statusCode, reply.elapsedTime / 1000);
  const main = newFastify(level, logTo, (request, reply) => {
    sending(reply);
    reply.raw.once("finish", () => answered(request, reply));
  });
  // In onSend rather than onRequest, so that requests that were running when the stop began close their connections
  // too.
  main.addHook("onSend", (_request, reply, _payload, done) => {
    sending(reply);
    done();
  });
  main.addHook("onResponse", (request, reply, done) => {
    answered(request, reply);
    done();
  });
  return main;
}

/** @param unrouted called before a request is refused whose path Fastify cannot look up, because it runs no hooks then */
function newFastify(
  level: string,
  logTo?: LogTarget,
  unrouted?: (request: FastifyRequest, reply: FastifyReply) => void,
): FastifyInstance {
  const refuse = errorAnswers();
  const server = Fastify({
    logger: {
      level,
      ...(logTo === undefined ? {} : { stream: logTo }),
      base: null,
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
      serializers: {
        // Never headers (a token) nor the query (an actor's name).
        req: (request: { method: string; url: string; ip?: string }) => ({
          method: request.method,
          path: request.url.split("?", 1)[0],
        }),
        res: (reply: { statusCode: number }) => ({ statusCode: reply.statusCode }),
        err: (error: Error) => ({ type: error.name, message: error.message, stack: error.stack ?? "" }),
      },
    },
    logController: new LogController({ disableRequestLogging: true }),
    requestIdHeader: false,
    genReqId: (request) => requestId(request.headers["x-request-id"]),
    bodyLimit: 67_108_864,
    // Longer than a proxy keeps idle connections (nginx: 60 s by default). If the service closed them first, requests
    // would meet a closed socket.
    keepAliveTimeout: 75_000,
    requestTimeout: 60_000,
    forceCloseConnections: "idle",
    // While stopping, the routes refuse requests themselves, in the common error format and with Retry-After.
    return503OnClosing: false,
    routerOptions: { maxParamLength: 100 },
    frameworkErrors: (error, request: FastifyRequest, reply: FastifyReply) => {
      unrouted?.(request, reply);
      refuse(error, request, reply);
    },
    ajv: { customOptions: { removeAdditional: false, coerceTypes: true, allErrors: false } },
    schemaErrorFormatter: (errors, part) => {
      const [first] = errors;
      const field = first?.instancePath.slice(1) ?? "";
      return new ApiError(
        400,
        "invalid_query",
        `${part}${field === "" ? "" : ` ${field}`}: ${first?.message ?? "is not valid"}.`,
      );
    },
  }).withTypeProvider<TypeBoxTypeProvider>();
  server.setErrorHandler(refuse);
  server.setNotFoundHandler({}, (request, reply) => refuse(notFound(), request, reply));
  return server;
}

let counter = 0;
const run = Date.now().toString(36);

function requestId(given: string | string[] | undefined): string {
  if (typeof given === "string" && /^[\w.:-]{1,64}$/.test(given)) return given;
  counter += 1;
  return `${run}-${counter.toString(36)}`;
}

/** Probes the database at most once a second, however often it is called, also after the clock was set back. */
function readiness(configReloader: ConfigReloader): () => Promise<string | undefined> {
  let checked = 0;
  let last: Promise<string | undefined> = Promise.resolve(undefined);
  let of: unknown;
  return () => {
    const active = configReloader.active;
    if (active === undefined) return Promise.resolve(configReloader.waiting);
    if (of !== active || performance.now() - checked > 1000) {
      of = active;
      checked = performance.now();
      last = active.storage.probe().then(
        () => undefined,
        (error: unknown) => (error instanceof UserError ? error.message : "database: not fit"),
      );
    }
    return last;
  };
}

function addReload(app: FastifyInstance, configReloader: ConfigReloader): void {
  // In a separate scope that reads and drops any body: tools such as wget always send one, with some content type.
  void app.register((scope, _options, registered) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser("*", (_request, payload, parsed) => {
      payload.resume();
      payload.on("end", () => parsed(null));
      payload.on("error", parsed);
    });
    scope.post(
      "/reload",
      {
        schema: {
          summary: "Reload the configuration file",
          tags: ["operation"],
          response: { 200: ReloadBody, 422: ReloadBody, 500: ErrorBody, 503: ReloadBody },
        },
      },
      async (_request, reply) => {
        const reload = await configReloader.reload();
        const status = { applied: 200, unchanged: 200, invalid: 422, unreadable: 503, unreachable: 503 } as const;
        return reply.code(status[reload.result]).send(reload);
      },
    );
    registered();
  });
}
