import type { FastifyInstance, FastifyRequest } from "fastify";
import { ApiError } from "./api-error.js";
import { batchOf } from "./batch.js";
import { checkEvents } from "./body.js";
import { defaultLimits } from "./config.js";
import type { Active } from "./config-reloader.js";
import type { EventRow } from "./event.js";
import type { Ingest } from "./ingest.js";
import { LogLimit } from "./log-limit.js";
import type { Principal } from "./tokens.js";

/** Application of the events that the service itself stores; no token may write them. */
const OWN_APPLICATION = "audit-svc";

/** A reader's query parameters, as sent. */
export type ReadQuery = Readonly<Record<string, string | number | boolean | undefined>>;

/** @throws {ApiError} 403 for an event that claims to be one of the service's own */
export function refuseOwn(events: readonly EventRow[]): void {
  const index = events.findIndex((event) => event.application === OWN_APPLICATION);
  if (index < 0) return;
  throw new ApiError(403, "other_application", "Nothing was stored: this application is the service's own.", {
    details: [{ index, field: "application", message: `must not be ${OWN_APPLICATION}` }],
  });
}

/**
 * Records who read the events and who was refused: one line in the service's own log for each, and with `recordReads`
 * also an event. The query's values may name people, so they are in the event and not in the line.
 */
export class AccessLog {
  readonly #limit = new LogLimit();

  constructor(
    private readonly active: () => Active | undefined,
    private readonly ingest: Ingest,
  ) {}

  /**
   * Records that events are about to be read; without `recordReads` it does nothing.
   * @throws {ApiError} 503 if that cannot be stored: nothing is read without a record
   */
  async begin(request: FastifyRequest, principal: Principal, action: string, query: ReadQuery): Promise<void> {
    if (this.active()?.config.recordReads === true)
      await this.#record(request, principal, `events.${action}`, "success", query);
  }

  /** Logs that events were read. @param complete false if the client or the database ended it early */
  read(
    request: FastifyRequest,
    principal: Principal,
    action: string,
    query: ReadQuery,
    events: number,
    complete = true,
  ): void {
    const { name: token } = principal;
    request.log.info({ token, action, filters: Object.keys(query), events, complete }, "events read");
  }

  /** Has every refusal for lack of a right, on the routes of this scope, logged and recorded. */
  watch(app: Pick<FastifyInstance, "addHook">): void {
    app.addHook("onError", (request, _reply, error, done) => {
      if (error instanceof ApiError && (error.status === 401 || error.status === 403))
        this.#refused(request, request.principal ?? undefined, error);
      done();
    });
  }

  /**
   * Logs and records that a request was refused for lack of a right: at most one of each kind per second, with the
   * number of those left out.
   */
  #refused(request: FastifyRequest, principal: Principal | undefined, { status, code }: ApiError): void {
    const token = principal?.name;
    const pass = this.#limit.pass(`${code} ${token ?? ""}`);
    if (pass === undefined) return;
    const { method, routeOptions } = request;
    request.log.warn({ token, method, path: routeOptions.url, code, status, ...pass }, "access refused");
    // Without a valid token nothing is recorded, or anybody could fill the database.
    if (principal === undefined || this.active()?.config.recordReads !== true) return;
    const action = actionOf(method, routeOptions.url ?? "");
    // The request is refused whether it can be recorded or not; the storage logs what went wrong.
    this.#record(request, principal, action, "denied", { reason: code, ...pass }).catch(() => undefined);
  }

  #record(request: FastifyRequest, principal: Principal, action: string, outcome: string, more: object): Promise<void> {
    const data = { requestId: request.id, ...more };
    const [resource = ""] = action.split(".");
    const what = { actor: principal.name, action, resource, outcome, data };
    const event = { application: OWN_APPLICATION, occurredAt: new Date().toISOString(), ...what };
    // Checked with the default limits, because the configured ones may be too small for the service's own events.
    const rows = checkEvents([event], defaultLimits, undefined);
    return this.ingest.store(batchOf(rows), JSON.stringify(event).length, principal.name);
  }
}

/** What a request to a route would have done. */
function actionOf(method: string, route: string): string {
  if (route.startsWith("/log/")) return method === "POST" ? "log.witness" : "log.read";
  if (route.endsWith("/proof")) return "events.proof";
  if (route.endsWith("/export")) return "events.export";
  return method === "POST" ? "events.store" : "events.list";
}
