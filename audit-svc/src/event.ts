import Type, { type Static } from "typebox";
import { Compile } from "typebox/compile";
import type { LimitsConfig } from "./config.js";
import { bucketOf, normalizeUuid, uuidTime, uuidv7 } from "./ids.js";
import { isWellFormed, unseenIn } from "./text.js";
import { parseTime } from "./time.js";

/** Values of an event's `outcome`. */
export const OUTCOMES = ["success", "failure", "denied", "error"] as const;

const text = (maxLength: number, description: string) =>
  Type.String({
    minLength: 1,
    maxLength,
    description: `${description}; no control characters, none that hide or reverse text`,
  });

const fields = {
  application: text(100, "The application that reports the event"),
  actor: text(256, "Who did it"),
  action: text(128, "What was done"),
  resource: text(1024, "What it was done to"),
  outcome: Type.Enum([...OUTCOMES]),
  occurredAt: Type.String({
    maxLength: 64,
    description: "RFC 3339 with an offset, kept to the microsecond; at most clockSkewSeconds in the future",
    examples: ["2026-01-31T12:00:00.5Z"],
  }),
};

/** An event as a client sends it. */
export const EventInput = Type.Object(
  {
    id: Type.Optional(
      Type.String({
        maxLength: 36,
        description:
          "UUID, unique per application; without it a UUIDv7 is made. Sending the same event again with its id is safe",
      }),
    ),
    ...fields,
    data: Type.Optional(
      Type.Record(Type.String(), Type.Unknown(), {
        description:
          "Anything else, at most dataBytes of JSON (its numbers without exponents) and 32 levels deep; numbers that a double does not hold are refused, send them as strings",
      }),
    ),
  },
  { additionalProperties: false },
);

/** An event as the API returns it. */
export const EventOutput = Type.Object(
  {
    id: Type.String(),
    ...fields,
    recordedAt: Type.String({ description: "When it was stored" }),
    salt: Type.Optional(Type.String({ description: "With ?salt=true: the salt of the event's entry in the log" })),
    seq: Type.Optional(Type.Integer({ description: "With ?salt=true: the event's place in the order of arrival" })),
    // Not Type.Record: of that the serializer leaves out keys with a line break.
    data: Type.Unsafe<Record<string, unknown>>({ type: "object", additionalProperties: true }),
  },
  { additionalProperties: false },
);
export type EventOutput = Static<typeof EventOutput>;

/** A validated event, ready to be stored. */
export interface EventRow {
  readonly id: string;
  /** Whether the client chose the id. */
  readonly chosen: boolean;
  readonly bucket: number;
  readonly occurredAt: string;
  readonly application: string;
  readonly actor: string;
  readonly action: string;
  readonly resource: string;
  readonly outcome: string;
  /** JSON text. */
  readonly data: string;
}

/**
 * Identifies an event: ids are unique per application. Two events with the same key are one event that was sent again.
 */
export const keyOf = (row: EventRow): string => row.id + row.application;

/** What is wrong with one field of one event. */
export interface FieldError {
  readonly index: number;
  readonly field: string;
  readonly message: string;
}

const compiled = Compile(EventInput);
const MAX_DEPTH = 32;
/** Earlier events are considered mistakes (a clock at zero, seconds read as milliseconds). */
const EARLIEST = Date.UTC(1970, 0, 2);

/**
 * Validates one parsed event and gives it an id. Problems are added to `errors`; then the answer is `undefined`.
 * @param now milliseconds since 1970
 */
export function checkEvent(
  value: unknown,
  index: number,
  limits: LimitsConfig,
  now: number,
  errors: FieldError[],
): EventRow | undefined {
  const fail = (field: string, message: string): undefined => {
    errors.push({ index, field, message });
    return undefined;
  };
  if (typeof value !== "object" || value === null || Array.isArray(value)) return fail("", "must be an object");
  if (!compiled.Check(value)) {
    explain(value, fail);
    return undefined;
  }
  const before = errors.length;
  for (const field of ["application", "actor", "action", "resource"] as const) {
    const unseen = unseenIn(value[field]);
    if (unseen !== undefined) fail(field, `must not contain ${unseen}`);
  }
  const moment = parseTime(value.occurredAt);
  const latest = now + limits.clockSkewSeconds * 1000;
  if (moment === undefined) fail("occurredAt", "must be an RFC 3339 time with an offset, like 2026-01-31T12:00:00Z");
  else if (moment.ms > latest) fail("occurredAt", `must not lie more than ${limits.clockSkewSeconds} s in the future`);
  else if (moment.ms < EARLIEST) fail("occurredAt", "must not lie before 1970-01-02");

  const id = value.id === undefined ? uuidv7(now) : normalizeUuid(value.id);
  if (id === undefined) fail("id", "must be a UUID in its usual spelling");
  else if (value.id !== undefined && (uuidTime(id) ?? 0) > latest) {
    fail("id", `is a UUIDv7 whose time lies more than ${limits.clockSkewSeconds} s in the future`);
  }

  let data = "{}";
  if (value.data !== undefined) {
    const problem = checkData(value.data, 1);
    if (problem !== undefined) fail(pathOf(["data", ...problem.path.reverse()]), problem.message);
    else {
      data = JSON.stringify(value.data);
      if (data.length > limits.dataBytes || Buffer.byteLength(data) + writtenOut(data) > limits.dataBytes) {
        fail("data", `must not be more than ${limits.dataBytes} bytes of JSON, its numbers without exponents`);
      }
    }
  }
  if (errors.length > before || moment === undefined || id === undefined) return undefined;
  const { application, actor, action, resource, outcome } = value;
  return {
    id,
    chosen: value.id !== undefined,
    bucket: bucketOf(id),
    occurredAt: moment.iso,
    application,
    actor,
    action,
    resource,
    outcome,
    data,
  };
}

/** How much longer a JSON text gets without exponents in its numbers: jsonb returns 5e-324 with all its zeros. */
function writtenOut(json: string): number {
  if (!/\de-\d/.test(json)) return 0;
  let more = 0;
  // A string is one match, so that nothing in it is taken for a number. JSON.stringify writes no positive exponent for
  // accepted numbers.
  for (const [number, fraction = "", exponent] of json.matchAll(/"(?:[^"\\]+|\\.)*"|\d(?:\.(\d+))?e-(\d+)/g))
    if (exponent !== undefined) more += "0.".length + Number(exponent) + fraction.length - number.length;
  return more;
}

interface Problem {
  /** Keys and indexes from the value back to `data`. */
  readonly path: (string | number)[];
  readonly message: string;
}

// jsonb can store neither NUL nor half a surrogate pair, and beyond 2^53 not every integer is a double, so storing such
// values would silently change the event. What JSON.parse has changed already is found in the text (json-loss.ts).
function checkData(value: unknown, depth: number): Problem | undefined {
  if (typeof value === "string") return problem(checkText(value));
  if (typeof value === "number") {
    const lost = !Number.isFinite(value) || (Number.isInteger(value) && !Number.isSafeInteger(value));
    return problem(lost ? "is a number beyond ±2^53, which would lose digits; send it as a string" : undefined);
  }
  if (typeof value !== "object" || value === null) return undefined;
  if (depth > MAX_DEPTH) return problem(`must not be more than ${MAX_DEPTH} levels deep`);
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index++) {
      const found = checkData(value[index], depth + 1);
      if (found !== undefined) return within(index, found);
    }
    return undefined;
  }
  for (const key of Object.keys(value)) {
    if (key === "__proto__") return problem('must not have a key "__proto__"');
    const bad = checkText(key);
    if (bad !== undefined) return problem(`has a key that ${bad}`);
    const found = checkData((value as Record<string, unknown>)[key], depth + 1);
    if (found !== undefined) return within(key, found);
  }
  return undefined;
}

function problem(message: string | undefined): Problem | undefined {
  return message === undefined ? undefined : { path: [], message };
}

function within(key: string | number, found: Problem): Problem {
  found.path.push(key);
  return found;
}

/** A path as a client reads it, `data.items[0].price`; truncated, because its keys are the client's text. */
export function pathOf(path: readonly (string | number)[]): string {
  const steps = path.map((step) =>
    typeof step === "number" ? `[${step}]` : /^[A-Za-z_]\w*$/.test(step) ? `.${step}` : `[${JSON.stringify(step)}]`,
  );
  return steps.join("").replace(/^\./, "").slice(0, 200);
}

function checkText(text: string): string | undefined {
  if (text.includes("\0")) return "must not contain the character U+0000";
  return isWellFormed(text) ? undefined : "must not contain half a surrogate pair";
}

function explain(value: object, fail: (field: string, message: string) => undefined): void {
  const named = new Set<string>();
  const once = (field: string, message: string): void => {
    if (!named.has(field)) fail(field, message);
    named.add(field);
  };
  for (const error of compiled.Errors(value)) {
    if (error.keyword === "additionalProperties") continue;
    if (error.keyword === "required") {
      for (const field of error.params.requiredProperties) once(field, "is missing");
      continue;
    }
    const field = (error.instancePath.split("/")[1] ?? "").replaceAll("~1", "/").replaceAll("~0", "~");
    // The name of an unknown field is the client's text: it is returned truncated, and only to that client.
    if (error.keyword === "boolean") once(field.slice(0, 64), "there is no such field");
    else if (error.keyword === "enum") once(field, `must be one of ${OUTCOMES.join(", ")}`);
    else once(field, error.message);
  }
}
