import struct from "google-protobuf/google/protobuf/struct_pb.js";
import type { Struct, JavaScriptValue } from "google-protobuf/google/protobuf/struct_pb.js";

/** What the engine sends for a value that is not known yet, and what a plugin answers for one (Pulumi SDK, `runtime/rpc`). */
export const UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";
const SIGNATURE = "4dabf18193072939515e22adb298388d";
const SECRET = "1b47061264138c4ac30d75fd1eb44270";

/** A property map as it goes over the wire: JSON, with the SDK's sentinels for secrets and unknowns. */
export type Props = Record<string, unknown>;

/** Marks a value as secret, as the engine sends it to a plugin that accepts secrets. */
export function secret(value: unknown): Props {
  return { [SIGNATURE]: SECRET, value };
}

export function isSecret(value: unknown): value is { value: unknown } {
  return typeof value === "object" && value !== null && (value as Props)[SIGNATURE] === SECRET;
}

/** The value without any secret's wrapping, however deep. */
export function plain<T = unknown>(value: unknown): T {
  if (isSecret(value)) {
    return plain(value.value);
  }
  if (Array.isArray(value)) {
    return value.map((v) => plain(v)) as T;
  }
  if (typeof value === "object" && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, plain(v)])) as T;
  }
  return value as T;
}

/** The top-level keys that are secret, or that hold a secret somewhere inside; sorted. */
export function secretKeys(props: Props): string[] {
  const holds = (v: unknown): boolean =>
    isSecret(v) || (typeof v === "object" && v !== null && Object.values(v).some((inner) => holds(inner)));
  return Object.keys(props)
    .filter((k) => holds(props[k]))
    .sort();
}

/** The top-level keys that are, or contain, an unknown; sorted. */
export function unknownKeys(props: Props): string[] {
  return Object.keys(props)
    .filter((k) => JSON.stringify(props[k] ?? null).includes(UNKNOWN))
    .sort();
}

/**
 * The engine's rule for plugins that do not accept secrets: an output is secret again when the input of the same
 * top-level name was (pulumi `sdk/go/common/resource/plugin/provider_plugin.go`, `annotateSecrets`).
 */
export function annotate(outputs: Props, inputs: Props): Props {
  const secrets = new Set(Object.keys(inputs).filter((k) => isSecret(inputs[k])));
  return Object.fromEntries(
    Object.entries(outputs).map(([k, v]) => [k, secrets.has(k) && !isSecret(v) ? secret(v) : v]),
  );
}

export function toStruct(props: Props): Struct {
  // JSON drops `undefined`, which a Struct cannot hold.
  return struct.Struct.fromJavaScript(JSON.parse(JSON.stringify(props)) as Record<string, JavaScriptValue>);
}

export function fromStruct(message: Struct | undefined): Props {
  return message?.toJavaScript() ?? {};
}
