import type { FastifyPluginAsyncTypebox } from "@fastify/type-provider-typebox";
import type { FastifyReply, FastifyRequest } from "fastify";
import type pg from "pg";
import Type from "typebox";
import type { AccessLog } from "../access-log.js";
import { ApiError, ErrorBody, refuseNul } from "../api-error.js";
import { authenticate } from "../authenticate.js";
import type { Active, ConfigReloader } from "../config-reloader.js";
import { normalizeUuid } from "../ids.js";
import type { Principal } from "../tokens.js";
import type { LogConfig } from "./config.js";
import { findEvents, has, keep, kept, positionOf, readEntries, readTile, storedTree } from "./log-store.js";
import { openCheckpoint } from "./note.js";
import { proofText } from "./proof.js";
import type { Sequencer } from "./sequencer.js";
import { parsePath, toBundle } from "./tile.js";
import { TILE, proveInclusion, rootOf } from "./tree.js";

interface Parts {
  readonly configReloader: Pick<ConfigReloader, "active">;
  readonly accessLog: AccessLog;
  readonly sequencer: Sequencer;
  readonly stopping: () => boolean;
}

const refusals = { 400: ErrorBody, 401: ErrorBody, 403: ErrorBody, 404: ErrorBody, 500: ErrorBody, 503: ErrorBody };
const NO_LOG = "This service keeps no log: its configuration has no log.";
/** Bytes of a checkpoint that a witness reports. */
const NOTE_BYTES = 16_384;

/** `GET /log/…`, `POST /log/witnessed` and `GET /v1/events/{id}/proof`. */
export function logRoutes({ configReloader, accessLog, sequencer, stopping }: Parts): FastifyPluginAsyncTypebox {
  const inForce = (): Active & { readonly log: LogConfig } => {
    if (stopping()) throw ApiError.unavailable("stopping", "This process is stopping; send the request again.");
    const active = configReloader.active;
    if (active === undefined) throw ApiError.unavailable("not_configured", "The service has no configuration yet.");
    const { log } = active.config;
    if (log === undefined) throw new ApiError(404, "not_found", NO_LOG);
    return { ...active, log };
  };
  const reader = (request: FastifyRequest, reply: FastifyReply): Principal =>
    authenticate(inForce().tokens, request, reply, "reader");
  /** Entries and tiles hold hashes of every application's events. */
  const wholeReader = (request: FastifyRequest, reply: FastifyReply): void => {
    if (reader(request, reply).application !== undefined)
      throw new ApiError(
        403,
        "other_application",
        "This needs a reader's token that is not limited to an application.",
      );
  };
  const unlessPublic = (request: FastifyRequest, reply: FastifyReply, done: () => void): void => {
    if (inForce().log.public !== true) wholeReader(request, reply);
    done();
  };
  const read = async <T>(statement: (db: pg.ClientBase) => Promise<T>): Promise<T> => {
    const { storage } = inForce();
    try {
      return await storage.read(statement);
    } catch (error) {
      if (error instanceof ApiError) throw error;
      if (storage.count(error) === "query") throw new Error("reading the log failed", { cause: error });
      throw ApiError.unavailable("storage_unavailable", "The database is unavailable; retry later.");
    }
  };
  const newest = async (db: pg.ClientBase): Promise<{ note: string; size: number }> => {
    const signed = await kept(db, "signed");
    if (signed === undefined)
      throw ApiError.unavailable("no_checkpoint", "There is no checkpoint yet; retry later.", 5);
    return signed;
  };

  // eslint-disable-next-line @typescript-eslint/require-await -- Fastify's plugin contract
  return async (app) => {
    app.decorateRequest("principal", null);
    accessLog.watch(app);
    app.removeAllContentTypeParsers();
    app.addContentTypeParser("*", { parseAs: "string", bodyLimit: NOTE_BYTES }, (_request, body, parsed) =>
      parsed(null, body),
    );

    app.get(
      "/log/checkpoint",
      {
        onRequest: unlessPublic,
        schema: {
          summary: "The newest checkpoint, a signed note (C2SP tlog-checkpoint)",
          tags: ["log"],
          security: [{ token: [] }],
          produces: ["text/plain"],
          response: { 200: Type.String(), ...refusals },
        },
      },
      async (_request, reply) => {
        const { note } = await read(newest);
        void reply.type("text/plain; charset=utf-8").header("cache-control", "no-store");
        return note;
      },
    );

    app.get(
      "/log/tile/*",
      {
        onRequest: unlessPublic,
        schema: {
          summary: "A tile of hashes, or a bundle of entries (C2SP tlog-tiles)",
          tags: ["log"],
          security: [{ token: [] }],
          produces: ["application/octet-stream"],
          params: Type.Object({ "*": Type.String({ description: "<L>/<N>[.p/<W>] or entries/<N>[.p/<W>]" }) }),
          response: { 200: Type.String({ format: "binary" }), ...refusals },
        },
      },
      async (request, reply) => {
        const name = parsePath(request.params["*"]);
        const bytes = name && (await read(async (db) => {
          // Above the checkpoint the tree is not complete yet.
          if (!has((await newest(db)).size, name)) return undefined;
          const { level } = name;
          if (level === "entries") return toBundle(await readEntries(db, name.n, name.width));
          return readTile(db, { ...name, level });
        })); // prettier-ignore
        if (bytes === undefined) throw new ApiError(404, "not_found", "The tree has no such tile.");
        const scope = inForce().log.public === true ? "public" : "private";
        const age = name?.width === TILE ? "max-age=31536000, immutable" : "max-age=60";
        void reply.type("application/octet-stream").header("cache-control", `${scope}, ${age}`);
        return reply.send(bytes as unknown as string);
      },
    );

    app.post(
      "/log/witnessed",
      {
        onRequest: (request, reply, done) => {
          wholeReader(request, reply);
          done();
        },
        schema: {
          summary: "Report a checkpoint that a witness has verified and keeps",
          tags: ["log"],
          security: [{ token: [] }],
          consumes: ["text/plain"],
          response: { 204: Type.Null(), ...refusals, 409: ErrorBody, 413: ErrorBody },
        },
      },
      async (request, reply) => {
        const { log } = inForce();
        const verifiers = await sequencer.signer(log).verifiers().catch(() => {
          throw ApiError.unavailable("no_signer", "The log's keys cannot be read now; retry later.", 5);
        }); // prettier-ignore
        const note = typeof request.body === "string" ? request.body : "";
        const checkpoint = openCheckpoint(note, verifiers);
        if (checkpoint === undefined)
          throw new ApiError(400, "invalid_checkpoint", "Send a checkpoint that this log has signed.");
        await read(async (db) => {
          const { size } = checkpoint;
          const extends_ =
            size <= (await newest(db)).size && (await rootOf(size, storedTree(db, size))).equals(checkpoint.root);
          if (!extends_) throw new ApiError(409, "inconsistent", "The log does not extend this checkpoint.");
          await keep(db, "witnessed", { size, lastSeq: 0 }, note);
        });
        void reply.code(204).send(null);
      },
    );

    app.get(
      "/v1/events/:id/proof",
      {
        onRequest: (request, reply, done) => {
          reader(request, reply);
          done();
        },
        schema: {
          summary: "Proof that an event is in the log (C2SP tlog-proof)",
          tags: ["log"],
          security: [{ token: [] }],
          produces: ["text/plain"],
          params: Type.Object({ id: Type.String({ maxLength: 36 }) }),
          querystring: Type.Object(
            {
              application: Type.Optional(Type.String({ maxLength: 100, description: "Needed where two have the id" })),
            },
            { additionalProperties: false },
          ),
          response: { 200: Type.String(), ...refusals },
        },
      },
      async (request, reply) => {
        const own = request.principal?.application;
        const { application = own } = request.query;
        refuseNul("application", application);
        const id = normalizeUuid(request.params.id);
        const proof = await read(async (db) => {
          const found = id === undefined || (own ?? application) !== application ? [] : await findEvents(db, id, application);
          const [event, second] = found;
          if (event === undefined) throw new ApiError(404, "not_found", "There is no such event.");
          if (second !== undefined)
            throw new ApiError(400, "invalid_query", "Two applications have this id; add ?application=….");
          const { note, size } = await newest(db);
          const index = await positionOf(db, event);
          if (index === undefined || index >= size)
            throw ApiError.unavailable("not_in_log", "No checkpoint covers this event yet; retry later.", 2);
          const hashes = await proveInclusion(index, size, storedTree(db, size));
          const extra = Buffer.concat([event.entry.subarray(0, 1), event.salt]);
          return proofText({ extra, index, hashes, checkpoint: note });
        }); // prettier-ignore
        void reply.type("text/plain; charset=utf-8").header("cache-control", "no-store");
        return proof;
      },
    );
  };
}
