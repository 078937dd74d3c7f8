import type { IncomingMessage } from "node:http";
import { isDeepStrictEqual } from "node:util";
import type { FastifyRequest } from "fastify";
import { ApiError } from "./api-error.js";
import type { FairShare } from "./fair-limit.js";
import type { LimitsConfig } from "./config.js";
import { type EventRow, type FieldError, checkEvent, keyOf, pathOf } from "./event.js";
import { findLoss } from "./json-loss.js";

/**
 * Collects a request's body.
 * @throws {ApiError} 413 if it is too large, 503 if all bodies together are
 */
export function collect(
  request: FastifyRequest,
  payload: IncomingMessage,
  limits: LimitsConfig,
  share: FairShare,
): Promise<Buffer> {
  const tooLarge = (): ApiError => new ApiError(413, "too_large", `The body is larger than ${limits.bodyBytes} bytes.`);
  if (Number(request.headers["content-length"] ?? 0) > limits.bodyBytes) return Promise.reject(tooLarge());
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const refuse = (error: ApiError): void => {
      payload.removeAllListeners("data");
      chunks.length = 0;
      share.release();
      reject(error);
    };
    payload.on("data", (chunk: Buffer) => {
      size += chunk.length;
      if (size > limits.bodyBytes) refuse(tooLarge());
      else if (!share.take(chunk.length, limits.queueBytes)) {
        refuse(ApiError.unavailable("overloaded", "Too much data is waiting to be stored; retry later."));
      } else chunks.push(chunk);
    });
    payload.on("end", () => {
      resolve(chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks));
    });
    const broken = (error: Error): void => {
      share.release();
      reject(error);
    };
    payload.on("error", broken);
    payload.on("aborted", () => broken(new ApiError(400, "aborted", "The body ended early.")));
  });
}

const decoder = new TextDecoder("utf-8", { fatal: true });

/** The events of a body as sent: JSON texts, each with its parsed value, an event or an array of events. */
export interface Sent {
  readonly values: readonly unknown[];
  readonly texts: readonly string[];
}

/**
 * The events of a body: one object or an array of objects as JSON, or one object per line as NDJSON.
 * @throws {ApiError} 400 for what is not JSON, 413 for too many events
 */
export function parseBody(body: Buffer, ndjson: boolean, limits: LimitsConfig): Sent {
  let text: string;
  try {
    text = decoder.decode(body);
  } catch {
    throw new ApiError(400, "invalid_encoding", "The body is not valid UTF-8.");
  }
  const tooMany = (): ApiError =>
    new ApiError(413, "too_many", `More than ${limits.batchEvents} events in one request.`);
  if (!ndjson) {
    const value = parseJson(text, -1);
    if (!Array.isArray(value)) return { values: [value], texts: [text] };
    if (value.length > limits.batchEvents) throw tooMany();
    if (value.length === 0) throw new ApiError(400, "empty", "The array has no event.");
    return { values: value as unknown[], texts: [text] };
  }
  const values: unknown[] = [];
  const texts: string[] = [];
  for (let start = 0; start < text.length;) {
    const newline = text.indexOf("\n", start);
    const end = newline < 0 ? text.length : newline;
    const line = text.slice(start, end);
    start = end + 1;
    if (line.trim() === "") continue;
    if (values.length >= limits.batchEvents) throw tooMany();
    values.push(parseJson(line, values.length));
    texts.push(line);
  }
  if (values.length === 0) throw new ApiError(400, "empty", "The body has no event.");
  return { values, texts };
}

/**
 * Rejects values that `JSON.parse` has silently changed or dropped.
 * @param sent validated, so that it is not deeply nested
 * @throws {ApiError} 400 with index and field
 */
export function refuseLoss({ values, texts }: Sent): void {
  const alone = texts.length === values.length;
  for (const [line, text] of texts.entries()) {
    const loss = findLoss(text, alone ? values[line] : values);
    if (loss === undefined) continue;
    const [first, ...rest] = loss.path;
    // For an array of one event the number of texts equals the number of events too, but its paths begin with an index.
    const [index, path] = typeof first === "number" ? [first, rest] : [line, loss.path];
    throw new ApiError(400, "invalid_event", "Nothing was stored: an event would have been changed by storing it.", {
      details: [{ index, field: pathOf(path), message: loss.message }],
    });
  }
}

// The parser's own message quotes the text around the error, which is event content and must not reach the log.
function parseJson(text: string, index: number): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new ApiError(
      400,
      "invalid_json",
      "The body is not valid JSON.",
      index < 0 ? {} : { details: [{ index, field: "", message: "is not valid JSON" }] },
    );
  }
}

/**
 * Validates every event of a request.
 * @param application the only application the sender may write for; `undefined` means any
 * @throws {ApiError} 400 with index and field, 403 for another application's event, 409 for one id with different
 * contents
 */
export function checkEvents(
  values: readonly unknown[],
  limits: LimitsConfig,
  application: string | undefined,
): EventRow[] {
  const errors: FieldError[] = [];
  const rows: EventRow[] = [];
  const now = Date.now();
  for (let index = 0; index < values.length && errors.length < 20; index++) {
    const row = checkEvent(values[index], index, limits, now, errors);
    if (row !== undefined) rows.push(row);
  }
  if (errors.length > 0) {
    throw new ApiError(400, "invalid_event", "Nothing was stored: an event is not valid.", {
      details: errors.slice(0, 20),
    });
  }
  if (application !== undefined) {
    const index = rows.findIndex((row) => row.application !== application);
    if (index >= 0) {
      throw new ApiError(403, "other_application", "Nothing was stored: this token is for another application.", {
        details: [{ index, field: "application", message: "is not this token's application" }],
      });
    }
  }
  return rows.length > 1 ? distinct(rows) : rows;
}

function distinct(rows: EventRow[]): EventRow[] {
  const byKey = new Map<string, EventRow>();
  rows.forEach((row, index) => {
    const other = byKey.get(keyOf(row));
    if (other !== undefined && !sameContent(other, row)) {
      throw new ApiError(409, "conflict", "Nothing was stored: two events have one id and different content.", {
        details: [{ index, field: "id", message: "is the id of another event of this batch with other content" }],
      });
    }
    byKey.set(keyOf(row), row);
  });
  return rows;
}

/** Whether two events of one application have the same content; data is compared as JSON, so the order of keys does not matter. */
function sameContent(a: EventRow, b: EventRow): boolean {
  return (
    a.occurredAt === b.occurredAt &&
    a.actor === b.actor &&
    a.action === b.action &&
    a.resource === b.resource &&
    a.outcome === b.outcome &&
    (a.data === b.data || isDeepStrictEqual(JSON.parse(a.data), JSON.parse(b.data)))
  );
}
