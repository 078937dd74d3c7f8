import { isObject, Secret, Unknown, type Properties } from "./values.js";

/** `InputSpec` without types: the framework's internals handle values of any type. */
export interface Spec {
  readonly forceNew?: boolean;
  readonly computed?: boolean;
  readonly required?: boolean;
  readonly secret?: boolean;
  readonly default?: unknown;
  readonly autoname?: boolean;
  readonly unordered?: boolean;
  readonly equal?: (state: unknown, input: unknown) => boolean;
  readonly stateOf?: (input: unknown) => unknown;
  readonly validate?: (value: unknown) => string | undefined;
  readonly conflictsWith?: readonly string[];
  readonly fields?: Specs;
}
export type Specs = Readonly<Record<string, Spec | undefined>>;

/** The key under which Check records what it filled in; it is in inputs only, also in nested objects. */
export const defaultsKey = "__defaults";

/** The names of the filled-in properties, or undefined when nothing was recorded. */
export function defaultsOf(properties: Properties): Set<string> | undefined {
  const names = properties[defaultsKey];
  return Array.isArray(names) ? new Set(names.map(String)) : undefined;
}

/** Whether a default is what Terraform takes for a value that is not set. */
export function isZeroDefault(value: unknown): boolean {
  return value === false || value === 0 || value === "";
}

/** Takes `__defaults` off at every depth: what a resource's hooks and the state see. */
export function withoutDefaults<T>(value: T): T {
  if (Array.isArray(value)) return value.map((element: unknown) => withoutDefaults(element)) as T;
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key]) => key !== defaultsKey)
      .map(([key, element]) => [key, withoutDefaults(element)]),
  ) as T;
}

/** Maps each object that a spec's `fields` describe: the value itself, or each element of a list. */
function mapObjects(value: unknown, map: (object: Properties) => Properties): unknown {
  if (Array.isArray(value)) return value.map((element: unknown) => (isObject(element) ? map(element) : element));
  return isObject(value) ? map(value) : value;
}

/** Marks the schema-sensitive properties, at every depth that the specs describe. */
export function markSecrets(specs: Specs, properties: Properties): Properties {
  const result: Properties = {};
  for (const [key, value] of Object.entries(properties)) {
    const spec = specs[key];
    if (value === undefined || value === null || value instanceof Secret) result[key] = value;
    else if (spec?.secret) result[key] = new Secret(value);
    else if (spec?.fields) result[key] = mapObjects(value, (object) => markSecrets(spec.fields ?? {}, object));
    else result[key] = value;
  }
  return result;
}

/**
 * What the state holds for these inputs: `stateOf` and the defaults that Check leaves out applied at every depth,
 * nothing undefined or null.
 */
export function stateOfInputs(specs: Specs, inputs: Properties): Properties {
  const result: Properties = {};
  for (const [key, value] of Object.entries(inputs)) {
    if (value === undefined || value === null || key === defaultsKey) continue;
    const spec = specs[key];
    if (value instanceof Unknown) result[key] = value;
    else if (spec?.stateOf) result[key] = spec.stateOf(value);
    else if (spec?.fields) result[key] = mapObjects(value, (object) => stateOfInputs(spec.fields ?? {}, object));
    else result[key] = withoutDefaults(value);
  }
  for (const [key, spec] of Object.entries(specs)) {
    if (!(key in result) && isZeroDefault(spec?.default)) result[key] = spec?.default;
  }
  return result;
}

/** Adds an unknown value for every computed input that is not set, as a preview of a creation shows it. */
export function withUnknownComputed(specs: Specs, properties: Properties): Properties {
  const result: Properties = { ...properties };
  for (const [key, spec] of Object.entries(specs)) {
    if (spec === undefined) continue;
    const value = result[key];
    if (value === undefined || value === null) {
      if (spec.computed) result[key] = Unknown.value;
    } else if (spec.fields) {
      result[key] = mapObjects(value, (object) => withUnknownComputed(spec.fields ?? {}, object));
    }
  }
  return result;
}

/** Overlays the known values with a hook's result: undefined keeps a value, null removes it. */
export function overlay(base: Properties, changes: Properties): Properties {
  const result: Properties = { ...base };
  for (const [key, value] of Object.entries(changes)) {
    if (value === null) delete result[key];
    else if (value !== undefined) result[key] = value;
  }
  return result;
}
