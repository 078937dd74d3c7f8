import { autoname, type Autonaming } from "./autoname.js";
import { messageOf } from "./errors.js";
import { defaultsKey, defaultsOf, isZeroDefault, type Specs } from "./schema.js";
import { hasUnknown, isObject, Secret, withoutSecrets, type Properties } from "./values.js";

export interface Failure {
  readonly property: string;
  readonly reason: string;
}

export interface CheckContext {
  /** The type that an error names, e.g. `docker:index/container:Container`. */
  readonly token: string;
  readonly resourceName: string;
  readonly seed: Uint8Array;
  readonly autonaming: Autonaming | undefined;
}

/** The end of each error about something that the genuine plugin has and the stand-in lacks. */
export function notImplemented(token: string, what: string): string {
  return `sandbox stand-in: ${token} does not implement ${what}`;
}

/**
 * The checked inputs: the news with defaults and autonames filled in and recorded in `__defaults`, at every depth
 * that the specs describe, and what is wrong with them.
 *
 * @param olds - the inputs of the last run; their defaults are kept. Undefined for a new or replaced resource
 */
export function checkInputs(
  specs: Specs,
  news: Properties,
  olds: Properties | undefined,
  context: CheckContext,
): { inputs: Properties; failures: Failure[] } {
  const failures: Failure[] = [];
  const inputs = checkObject(specs, news, olds, context, "", failures);
  return { inputs, failures };
}

function checkObject(
  specs: Specs,
  news: Properties,
  olds: Properties | undefined,
  context: CheckContext,
  prefix: string,
  failures: Failure[],
): Properties {
  const result: Properties = {};
  const path = (key: string) => prefix + key;

  for (const [key, value] of Object.entries(news)) {
    if (key === defaultsKey || value === null || value === undefined) continue;
    const spec = specs[key];
    if (spec === undefined) {
      failures.push({ property: path(key), reason: notImplemented(context.token, `input ${path(key)}`) });
      continue;
    }
    result[key] = spec.fields ? checkNested(spec.fields, value, olds?.[key], context, path(key), failures) : value;
    const mistyped = wrongType(spec.default, withoutSecrets(value));
    if (mistyped !== undefined) {
      failures.push({ property: path(key), reason: `${path(key)}: ${mistyped}` });
    } else if (spec.validate && !hasUnknown(value)) {
      const reason = spec.validate(withoutSecrets(value));
      if (reason !== undefined) failures.push({ property: path(key), reason: `${path(key)}: ${reason}` });
    }
  }

  for (const [key, spec] of Object.entries(specs)) {
    if (spec === undefined || !(key in result)) continue;
    for (const other of spec.conflictsWith ?? []) {
      if (other in result) {
        failures.push({ property: path(key), reason: `${path(key)}: conflicts with ${path(other)}` });
      }
    }
  }

  const defaults = fillDefaults(specs, result, olds, context, path, failures);

  for (const [key, spec] of Object.entries(specs)) {
    if (spec?.required && !(key in result)) {
      failures.push({ property: path(key), reason: `Missing required property '${path(key)}'` });
    }
  }
  result[defaultsKey] = defaults.sort();
  return result;
}

/** Terraform takes "true" for true and "1" for 1. Only inputs with a default tell which type they have. */
function wrongType(standard: unknown, value: unknown): string | undefined {
  if (typeof value !== "string" || hasUnknown(value)) return undefined;
  if (typeof standard === "boolean" && !["true", "false", "1", "0", ""].includes(value)) {
    return `cannot parse ${JSON.stringify(value)} as a boolean`;
  }
  if (typeof standard === "number" && value !== "" && !Number.isFinite(Number(value))) {
    return `cannot parse ${JSON.stringify(value)} as a number`;
  }
  return undefined;
}

function checkNested(
  fields: Specs,
  value: unknown,
  old: unknown,
  context: CheckContext,
  path: string,
  failures: Failure[],
): unknown {
  if (value instanceof Secret) return new Secret(checkNested(fields, value.value, old, context, path, failures));
  if (Array.isArray(value)) {
    return value.map((element, index) => {
      const oldElement: unknown = Array.isArray(old) ? old[index] : undefined;
      return checkNested(fields, element, oldElement, context, `${path}[${index}]`, failures);
    });
  }
  if (!isObject(value)) return value;
  return checkObject(fields, value, isObject(old) ? old : undefined, context, `${path}.`, failures);
}

function fillDefaults(
  specs: Specs,
  result: Properties,
  olds: Properties | undefined,
  context: CheckContext,
  path: (key: string) => string,
  failures: Failure[],
): string[] {
  const filled: string[] = [];
  // Without a record of defaults every old value counts as one: the state is older than the record.
  const oldDefaults = olds === undefined ? undefined : defaultsOf(olds);
  for (const [key, spec] of Object.entries(specs)) {
    if (spec === undefined || key in result || (spec.default === undefined && !spec.autoname)) continue;
    const conflicts = Object.keys(result).some(
      (other) => specs[other]?.conflictsWith?.includes(key) === true || spec.conflictsWith?.includes(other) === true,
    );
    if (conflicts) continue;

    const old = olds?.[key];
    let value: unknown;
    if (old !== undefined && old !== null && (oldDefaults?.has(key) ?? true)) {
      value = old;
    } else if (spec.autoname) {
      try {
        value = autoname(context.resourceName, context.seed, context.autonaming);
      } catch (error) {
        failures.push({ property: path(key), reason: messageOf(error) });
      }
    } else {
      value = typeof spec.default === "function" ? (spec.default as () => unknown)() : spec.default;
    }
    // The bridge leaves a default that is Terraform's zero value out of the inputs; only the state shows it.
    if (value === undefined || value === null || isZeroDefault(value)) continue;
    result[key] = value;
    filled.push(key);
  }
  return filled;
}
