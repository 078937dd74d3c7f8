/** A value that JSON can hold. */
export type Json = null | boolean | number | string | Json[] | JsonObject;

/** A JSON object. It is an interface because a type alias cannot refer to itself through Record. */
export interface JsonObject {
  [key: string]: Json;
}

/**
 * JSON with sorted keys, escaped like Go's encoding/json, as providers keep it in their state and Vault Agent renders
 * it.
 *
 * @param indent spaces per level; default 0, compact
 */
export function canonicalJson(value: Json, indent = 0): string {
  return JSON.stringify(sorted(value), null, indent).replace(
    /[<>&\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

function sorted(value: Json): Json {
  if (Array.isArray(value)) return value.map(sorted);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(
    Object.keys(value)
      .sort()
      .map((key) => [key, sorted(value[key] as Json)]),
  );
}
