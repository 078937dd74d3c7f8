import { PartialFailure } from "../framework/index.js";

/** The name in Vault's API of an SDK's property: `secretIdTtl` is `secret_id_ttl`. */
export function apiName(property: string): string {
  return property.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** Without slashes at either end: how paths stand in the state. */
export function trimSlashes(path: string): string {
  return path.replace(/^\/+|\/+$/g, "");
}

function isZero(value: unknown): boolean {
  if (value === undefined || value === null || value === "" || value === 0 || value === false) return true;
  if (Array.isArray(value)) return value.length === 0;
  return typeof value === "object" && Object.keys(value).length === 0;
}

/** What a property is sent as when the program no longer sets it. */
export type Zeros<T> = {
  readonly [K in keyof T]?: string | number | boolean | readonly never[] | Readonly<Record<string, never>>;
};

/** The body for making something: the properties that are set to more than nothing. */
export function givenFields<T extends object>(inputs: T, zeros: Zeros<T>): Record<string, unknown> {
  const body: Record<string, unknown> = {};
  for (const name of Object.keys(zeros)) {
    const value = inputs[name as keyof T];
    if (!isZero(value)) body[apiName(name)] = value;
  }
  return body;
}

/** The body for changing something: the properties that differ from the state; no longer set is sent as nothing. */
export function changedFields<T extends object>(
  inputs: T,
  zeros: Zeros<T>,
  changed: ReadonlySet<string>,
): Record<string, unknown> {
  const body: Record<string, unknown> = {};
  for (const [name, zero] of Object.entries(zeros)) {
    if (changed.has(name)) body[apiName(name)] = inputs[name as keyof T] ?? zero;
  }
  return body;
}

/** Properties read from an answer; what is null there takes its zero value, what is missing stays out. */
export function readFields<T extends object>(
  data: Record<string, unknown>,
  zeros: Zeros<T>,
): Partial<Record<keyof T, unknown>> {
  const state: Partial<Record<keyof T, unknown>> = {};
  for (const [name, zero] of Object.entries(zeros)) {
    const value = data[apiName(name)];
    if (value !== undefined) state[name as keyof T] = value ?? zero;
  }
  return state;
}

/**
 * Runs what comes after something was made or found: a failure keeps it in the state. Updates that fail do the same in the genuine plugin: the state then
 * holds what was wanted, and the next run calls it good.
 */
export async function keeping<T>(id: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    if (error instanceof PartialFailure) throw error;
    throw new PartialFailure(id, {}, [(error as Error).message]);
  }
}

/** Runs an action whose failure is told as `what: why`. */
export async function doing<T>(what: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    throw new Error(`${what}: ${(error as Error).message}`, { cause: error });
  }
}

/** JSON as the genuine plugin keeps it in the state: sorted keys, no spaces, and Go's escapes. Text that is no JSON object stays as it is. */
export function normalizeJson(text: string): string {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return text;
  }
  return JSON.stringify(sorted(value)).replace(
    /[<>&\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, inner]) => [key, sorted(inner)]),
  );
}

/** Refuses what is not a JSON object. */
export function jsonObject(text: string): string | undefined {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return undefined;
  } catch {
    // told below
  }
  return "it must be a JSON object, e.g. the result of JSON.stringify({ user: … })";
}

/**
 * The inputs of an update as Terraform hands them to a provider: what is computed and not set by the program has the value of the state, and is sent
 * again with the rest.
 */
export function withComputed<I extends object>(inputs: I, old: object, computed: readonly (keyof I & string)[]): I {
  const result = { ...inputs } as Record<string, unknown>;
  for (const name of computed) result[name] ??= (old as Record<string, unknown>)[name] ?? undefined;
  return result as I;
}

/** The text of a scalar in an answer; empty for what is missing or none. */
export function textOf(value: unknown): string {
  if (typeof value === "string") return value;
  return typeof value === "number" || typeof value === "boolean" ? String(value) : "";
}
