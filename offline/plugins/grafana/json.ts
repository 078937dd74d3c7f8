import { goJson } from "../framework/index.js";
import type { Json } from "./api.js";

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
