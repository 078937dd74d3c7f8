import { Readable } from "node:stream";
import type { IncomingMessage } from "node:http";
import type { FastifyPluginAsyncTypebox } from "@fastify/type-provider-typebox";
import type { FastifyReply, FastifyRequest } from "fastify";
import Type, { type Static } from "typebox";
import { type AccessLog, refuseOwn } from "./access-log.js";
import { ApiError, ErrorBody, refuseNul } from "./api-error.js";
import { authenticate } from "./authenticate.js";
import { type Batch, batchOf, idsOf } from "./batch.js";
import type { FairLimit, FairShare } from "./fair-limit.js";
import { checkEvents, collect, parseBody, refuseLoss } from "./body.js";
import type { Active, ConfigReloader } from "./config-reloader.js";
import { CURSOR_LENGTH, type Position, decodeCursor, encodeCursor } from "./cursor.js";
import { EventInput, EventOutput, OUTCOMES } from "./event.js";
import { type Chunk, type EventFilter, type StoredEvent, readEvents, toLine, toOutput } from "./event-reader.js";
import type { Ingest } from "./ingest.js";
import { kindOf } from "./storage.js";
import { parseTime } from "./time.js";
import type { Principal } from "./tokens.js";

/** What the routes need. */
export interface Parts {
  readonly configReloader: Pick<ConfigReloader, "active">;
  readonly ingest: Ingest;
  readonly accessLog: AccessLog;
  readonly bodyMemoryLimit: FairLimit;
  /** Whether the process is stopping and accepts nothing new. */
  readonly stopping: () => boolean;
}

const Filter = {
  application: Type.Optional(Type.String({ maxLength: 100 })),
  actor: Type.Optional(Type.String({ maxLength: 256 })),
  action: Type.Optional(Type.String({ maxLength: 128 })),
  outcome: Type.Optional(Type.Enum([...OUTCOMES])),
  from: Type.Optional(Type.String({ maxLength: 64, description: "RFC 3339, inclusive, compared with occurredAt" })),
  to: Type.Optional(Type.String({ maxLength: 64, description: "RFC 3339, exclusive" })),
  salt: Type.Optional(Type.Boolean({ description: "Add to each event what its proof needs" })),
};
const ListQuery = Type.Object(
  {
    ...Filter,
    limit: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 1000, description: "Default 100; a page of large events may have fewer" }),
    ),
    cursor: Type.Optional(Type.String({ maxLength: CURSOR_LENGTH, description: "`next` of the page before" })),
  },
  { additionalProperties: false },
);
const ExportQuery = Type.Object(Filter, { additionalProperties: false });

const refusals = {
  400: ErrorBody,
  401: ErrorBody,
  403: ErrorBody,
  500: ErrorBody,
  503: ErrorBody,
};
const OWN_ALONE =
  "A token for one application gets that application's events alone, whatever the filters and the cursor say.";
/** Events read at once; fewer when their data is large (event-reader.ts). */
const CHUNK = 100;
const NOTHING: Chunk = { events: [], cut: false };
/** A page of `GET /v1/events` ends early beyond this much data. */
const PAGE_BYTES = 1_048_576;

declare module "fastify" {
  interface FastifyRequest {
    /** Of the memory for bodies, from the first byte until the events are stored or refused. */
    share: FairShare | null;
  }
}

/** `POST /v1/events`, `GET /v1/events`, `GET /v1/events/export` and `GET /v1/access`. */
export function eventsRoutes({
  configReloader,
  ingest,
  accessLog,
  bodyMemoryLimit,
  stopping,
}: Parts): FastifyPluginAsyncTypebox {
  const active = (): Active => {
    const now = configReloader.active;
    if (now === undefined) throw ApiError.unavailable("not_configured", "The service has no configuration yet.");
    return now;
  };
  let exporting = 0;
  /** @param role the required role; undefined = any */
  const from = (role?: Principal["role"]) => (request: FastifyRequest, reply: FastifyReply, done: () => void) => {
    if (stopping()) throw ApiError.unavailable("stopping", "This process is stopping; send the request again.");
    authenticate(active().tokens, request, reply, role);
    done();
  };
  const principalOf = (request: FastifyRequest): Principal => {
    const { principal } = request;
    if (principal === null) throw new Error("a route without authentication");
    return principal;
  };
  const bodyParser = (request: FastifyRequest, payload: IncomingMessage): Promise<Buffer> => {
    const encoding = request.headers["content-encoding"] ?? "identity";
    if (encoding !== "identity")
      throw new ApiError(415, "unsupported_encoding", "Send the body without Content-Encoding.");
    const charset = /;\s*charset\s*=\s*"?([^";\s]*)/i.exec(request.headers["content-type"] ?? "")?.[1] ?? "utf-8";
    if (!/^utf-?8$/i.test(charset)) throw new ApiError(415, "unsupported_charset", "Send the body in UTF-8.");
    request.share = bodyMemoryLimit.open(principalOf(request).name);
    return collect(request, payload, active().config.limits, request.share);
  };

  // eslint-disable-next-line @typescript-eslint/require-await -- Fastify's plugin contract
  return async (app) => {
    app.decorateRequest("principal", null);
    app.decorateRequest("share", null);
    accessLog.watch(app);
    app.removeAllContentTypeParsers();
    app.addContentTypeParser(["application/json", "application/x-ndjson"], bodyParser);
    // The body is validated by our own code with the same schemas; this schema only documents it.
    app.post(
      "/v1/events",
      {
        onRequest: from("writer"),
        validatorCompiler: () => () => true,
        schema: {
          summary: "Store one event, an array of events, or NDJSON",
          description:
            "A batch is all or nothing. 201 is answered after the commit. An event sent again with its id is stored once.",
          tags: ["events"],
          security: [{ token: [] }],
          consumes: ["application/json", "application/x-ndjson"],
          body: Type.Union([EventInput, Type.Array(EventInput, { minItems: 1 })]),
          response: {
            201: Type.Object({ ids: Type.Array(Type.String(), { description: "In the order of the events" }) }),
            ...refusals,
            409: ErrorBody,
            413: ErrorBody,
            415: ErrorBody,
          },
        },
      },
      async (request, reply) => {
        try {
          const batch = await store(request);
          void reply.code(201);
          return { ids: idsOf(batch) };
        } finally {
          // Not when the connection ends: events whose client has gone still wait. Nor when the answer has been sent:
          // one that is pipelined behind another is never sent once the client has gone.
          request.share?.release();
          // Its part has been given back, so a request that is kept for its connection must not keep the events.
          request.body = undefined as never;
        }
      },
    );

    app.get(
      "/v1/events",
      {
        onRequest: from("reader"),
        schema: {
          summary: "Read events, newest first",
          description: OWN_ALONE,
          tags: ["events"],
          security: [{ token: [] }],
          querystring: ListQuery,
          response: {
            200: Type.Object({
              events: Type.Array(EventOutput),
              next: Type.Union([Type.String(), Type.Null()], {
                description: "Cursor of the next page; null on the last",
              }),
            }),
            ...refusals,
          },
        },
      },
      async (request) => {
        const { cursor, limit = 100, ...query } = request.query;
        const principal = principalOf(request);
        const filter = filterOf(query, principal);
        const after = cursor === undefined ? undefined : decodeCursor(cursor);
        if (cursor !== undefined && after === undefined)
          throw new ApiError(400, "invalid_cursor", "This cursor was not made by this service.");
        await accessLog.begin(request, principal, "list", request.query);
        const { events, more } = filter === undefined ? { events: [], more: false } : await page(filter, after, limit);
        accessLog.read(request, principal, "list", request.query, events.length);
        const last = events.at(-1);
        return { events: events.map(toOutput), next: more && last !== undefined ? encodeCursor(last) : null };
      },
    );

    app.get(
      "/v1/events/export",
      {
        onRequest: from("reader"),
        schema: {
          summary: "Stream events as NDJSON, newest first",
          description: OWN_ALONE,
          tags: ["events"],
          security: [{ token: [] }],
          produces: ["application/x-ndjson"],
          querystring: ExportQuery,
          response: { 200: Type.String({ description: "One event a line" }), ...refusals },
        },
      },
      async (request, reply) => {
        const principal = principalOf(request);
        const filter = filterOf(request.query, principal);
        void reply.type("application/x-ndjson");
        // Fastify answers HEAD with this handler too and would read the whole export only to discard it.
        if (request.method === "HEAD") return reply.send(Readable.from([]) as unknown as string);
        // Each export keeps a chunk in memory until its client has read it, because the edge does not buffer answers
        // for slow clients.
        if (exporting >= active().config.limits.exports)
          throw ApiError.unavailable("too_many_exports", "Too many exports are running; retry later.", 5);
        exporting += 1;
        const progress = { events: 0, complete: false };
        let first: Chunk;
        try {
          await accessLog.begin(request, principal, "export", request.query);
          // The first chunk is read before the answer starts, so that an unavailable database still gives a 503.
          first = filter === undefined ? NOTHING : await chunk(filter, undefined, CHUNK);
        } catch (error) {
          exporting -= 1;
          throw error;
        }
        const stream = Readable.from(lines(filter ?? {}, first, progress), { objectMode: false, highWaterMark: 1 });
        // The response of a request that is pipelined behind another does not learn that the client has gone.
        const { socket } = request.raw;
        const gone = (): void => void stream.destroy();
        if (socket.destroyed) gone();
        else socket.once("close", gone);
        stream.once("close", () => {
          socket.removeListener("close", gone);
          exporting -= 1;
          accessLog.read(request, principal, "export", request.query, progress.events, progress.complete);
        });
        return reply.send(stream as unknown as string);
      },
    );

    app.get(
      "/v1/access",
      {
        onRequest: from(),
        schema: {
          summary: "Whether the token is known; the edge asks before it takes a large body",
          tags: ["operation"],
          security: [{ token: [] }],
          response: { 204: Type.Null(), 401: ErrorBody, 503: ErrorBody },
        },
      },
      (_request, reply) => {
        void reply.code(204).send(null);
      },
    );

    async function store(request: FastifyRequest): Promise<Batch> {
      const { limits } = active().config;
      const body = request.body as Buffer | undefined;
      if (body === undefined) throw new ApiError(415, "no_body", "Send application/json or application/x-ndjson.");
      const ndjson = request.headers["content-type"]?.toLowerCase().startsWith("application/x-ndjson") === true;
      const sent = parseBody(body, ndjson, limits);
      const principal = principalOf(request);
      const events = checkEvents(sent.values, limits, principal.application);
      refuseLoss(sent);
      refuseOwn(events);
      const batch = batchOf(events);
      await ingest.store(batch, body.length, principal.name);
      return batch;
    }

    async function* lines(
      filter: EventFilter,
      first: Chunk,
      progress: { events: number; complete: boolean },
    ): AsyncGenerator<string> {
      for (let { events, cut } = first, wanted = CHUNK; events.length > 0;) {
        yield events.map(toLine).join("");
        progress.events += events.length;
        const last = events.at(-1);
        if ((!cut && events.length < wanted) || last === undefined) break;
        // The server measures events that are then cut off in vain, so ask for only a little more than will come.
        wanted = Math.min(CHUNK, cut ? 2 * events.length : 2 * wanted);
        ({ events, cut } = await chunk(filter, last, wanted));
      }
      progress.complete = true;
    }

    /** At most `limit` events, fewer when their data is large, and whether there are more. */
    async function page(
      filter: EventFilter,
      after: Position | undefined,
      limit: number,
    ): Promise<{ events: StoredEvent[]; more: boolean }> {
      const all: StoredEvent[] = [];
      for (let bytes = 0; ;) {
        const wanted = Math.min(CHUNK, limit + 1 - all.length);
        const { events, cut } = await chunk(filter, all.at(-1) ?? after, wanted);
        all.push(...events);
        bytes += events.reduce((sum, event) => sum + event.data.length, 0);
        if (cut) return { events: all, more: true };
        if (events.length < wanted) return { events: all, more: false };
        if (all.length > limit) return { events: all.slice(0, limit), more: true };
        // The last event goes to the next page, which also shows that there is one.
        if (bytes > PAGE_BYTES && all.length > 1) return { events: all.slice(0, -1), more: true };
      }
    }

    // One retry: a reload, or a restart of the database, may just have closed the connection.
    async function chunk(filter: EventFilter, after: Position | undefined, limit: number): Promise<Chunk> {
      for (let tries = 0; ; tries++) {
        const { storage } = active();
        try {
          return await storage.read((db) => readEvents(db, filter, after, limit));
        } catch (error) {
          storage.count(error);
          const kind = kindOf(error);
          // The database's message may quote the query's values.
          if (kind === "query") throw new Error("reading failed", { cause: error });
          if (tries >= 1 || kind === "timeout")
            throw ApiError.unavailable("storage_unavailable", "The database is unavailable; retry later.");
        }
      }
    }
  };
}

/** The filter of a query; `undefined` when nothing can match because the token is for another application. */
function filterOf(query: Static<typeof ExportQuery>, principal: Principal): EventFilter | undefined {
  const time = (field: "from" | "to"): string | undefined => {
    const text = query[field];
    if (text === undefined) return undefined;
    // "+" in a query string means a space: the most common way to break an offset.
    const moment = parseTime(text.replace(" ", "+"));
    if (moment === undefined)
      throw new ApiError(400, "invalid_query", `${field} must be an RFC 3339 time, like 2026-01-31T12:00:00Z.`);
    return moment.iso;
  };
  for (const field of ["application", "actor", "action"] as const) refuseNul(field, query[field]);
  const { application, actor, action, outcome, salt } = query;
  const own = principal.application;
  if (own !== undefined && application !== undefined && application !== own) return undefined;
  const [from, to] = [time("from"), time("to")];
  return {
    ...defined({ application: own ?? application, actor, action, outcome, from, to, salt }),
  };
}

function defined<T extends object>(object: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}
