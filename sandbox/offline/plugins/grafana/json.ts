import type { Json } from "./api.js";

/** JSON as Go writes it: keys sorted by their bytes, `<`, `>`, `&` and line separators escaped. It is what the state holds. */
export function goJson(value: unknown): string {
  return write(value).replace(
    /[<>&\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

function write(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(write).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const entries = Object.entries(value).sort(([left], [right]) =>
    Buffer.compare(Buffer.from(left), Buffer.from(right)),
  );
  return `{${entries.map(([key, entry]) => `${JSON.stringify(key)}:${write(entry)}`).join(",")}}`;
}

/** The object in a JSON text; undefined when the text is anything else. */
export function parseObject(text: string): Json | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Json) : undefined;
  } catch {
    return undefined;
  }
}

/** The reason why a text is not the JSON of an object. */
export function checkJsonObject(text: string): string | undefined {
  return parseObject(text) === undefined ? "not the JSON of an object" : undefined;
}

/** The same JSON in its canonical form, or "" where it is none. */
export function normalizeJson(text: string): string {
  if (text === "") return "";
  try {
    return goJson(JSON.parse(text));
  } catch {
    return "";
  }
}
