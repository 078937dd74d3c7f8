import struct from "google-protobuf/google/protobuf/struct_pb.js";
import type * as structTypes from "google-protobuf/google/protobuf/struct_pb.js";

/** Properties as they are handled in here: plain JSON values, with `Unknown` and `Secret` among them. */
export type Properties = Record<string, unknown>;

/** A value that a preview cannot know yet. Only `check` and `customizeDiff` may meet one. */
export class Unknown {
  static readonly value = new Unknown();
  private constructor() {
    // There is one instance, so that unknown values are equal to each other.
  }
}

export function isUnknown(value: unknown): value is Unknown {
  return value instanceof Unknown;
}

/** A value that the engine is to encrypt in the state and to hide in its output. */
export class Secret {
  constructor(readonly value: unknown) {}
}

// The protocol's sentinels (sdk/go/common/resource/plugin/rpc.go and sig/sig.go of the CLI). There is one for each
// type of unknown value; plugins may always answer with the string's.
const unknownString = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";
const unknowns = new Set([
  unknownString,
  "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
  "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
  "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
  "030794c1-ac77-496b-92df-f27374a8bd58",
  "e48ece36-62e2-4504-bad9-02848725956a",
  "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
]);
const signature = "4dabf18193072939515e22adb298388d";
const secretSignature = "1b47061264138c4ac30d75fd1eb44270";
const outputSignature = "d0e6a833031e9bbcd3f4e8bde6ca49a4";

export function isObject(value: unknown): value is Properties {
  return (
    typeof value === "object" &&
    value !== null &&
    !Array.isArray(value) &&
    !(value instanceof Unknown) &&
    !(value instanceof Secret)
  );
}

/** How to read a message: bridged plugins take the marks of secrets off, others keep them. */
export interface DecodeOptions {
  readonly secrets: "keep" | "strip";
  /** Leave out nulls at every depth of objects (Go's `SkipNulls`). */
  readonly skipNulls?: boolean;
}

export function decode(message: structTypes.Struct | undefined, options: DecodeOptions): Properties {
  if (message === undefined) return {};
  return decodeValue(message.toJavaScript(), options) as Properties;
}

function decodeValue(value: unknown, options: DecodeOptions): unknown {
  if (typeof value === "string") return unknowns.has(value) ? Unknown.value : value;
  if (Array.isArray(value)) return value.map((element) => decodeValue(element, options));
  if (!isObject(value)) return value;
  if (value[signature] === secretSignature) {
    const inner = decodeValue(value.value, options);
    return options.secrets === "keep" ? new Secret(inner) : inner;
  }
  if (value[signature] === outputSignature) {
    const inner = "value" in value ? decodeValue(value.value, options) : Unknown.value;
    return options.secrets === "keep" && value.secret === true ? new Secret(inner) : inner;
  }
  const result: Properties = {};
  for (const [key, element] of Object.entries(value)) {
    if (element === null && options.skipNulls) continue;
    result[key] = decodeValue(element, options);
  }
  return result;
}

/** The message for the engine; keys whose value is undefined are left out. */
export function encode(properties: Properties): structTypes.Struct {
  return struct.Struct.fromJavaScript(encodeValue(properties) as Record<string, structTypes.JavaScriptValue>);
}

function encodeValue(value: unknown): unknown {
  if (value instanceof Unknown) return unknownString;
  if (value instanceof Secret) return { [signature]: secretSignature, value: encodeValue(value.value) };
  if (Array.isArray(value)) return value.map((element) => (element === undefined ? null : encodeValue(element)));
  if (!isObject(value)) return value;
  const result: Properties = {};
  for (const [key, element] of Object.entries(value)) {
    if (element !== undefined) result[key] = encodeValue(element);
  }
  return result;
}

/** Whether anything inside is unknown. */
export function hasUnknown(value: unknown): boolean {
  if (value instanceof Unknown) return true;
  if (value instanceof Secret) return hasUnknown(value.value);
  if (Array.isArray(value)) return value.some(hasUnknown);
  return isObject(value) && Object.values(value).some(hasUnknown);
}

/** Takes the marks off, at every depth. */
export function withoutSecrets<T>(value: T): T {
  if (value instanceof Secret) return withoutSecrets(value.value) as T;
  if (Array.isArray(value)) return value.map(withoutSecrets) as T;
  if (!isObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, element]) => [key, withoutSecrets(element)])) as T;
}

export function hasSecret(value: unknown): boolean {
  if (value instanceof Secret) return true;
  if (Array.isArray(value)) return value.some(hasSecret);
  return isObject(value) && Object.values(value).some(hasSecret);
}

/** Null, undefined, "", 0, false and empty collections: what Terraform cannot tell from "not set". */
export function isZero(value: unknown): boolean {
  if (value === undefined || value === null || value === "" || value === 0 || value === false) return true;
  if (Array.isArray(value)) return value.length === 0;
  return isObject(value) && Object.keys(value).length === 0;
}

/** Structural equality; undefined and missing keys are the same. Unknown values equal each other. */
export function deepEqual(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (a instanceof Secret || b instanceof Secret) {
    return a instanceof Secret && b instanceof Secret && deepEqual(a.value, b.value);
  }
  if (Array.isArray(a) && Array.isArray(b)) {
    return a.length === b.length && a.every((element, index) => deepEqual(element, b[index]));
  }
  if (isObject(a) && isObject(b)) {
    return [...new Set([...Object.keys(a), ...Object.keys(b)])].every((key) => deepEqual(a[key], b[key]));
  }
  return false;
}
