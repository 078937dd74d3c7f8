import { defaultsKey, defaultsOf, type Specs } from "./schema.js";
import { deepEqual, isObject, isZero, type Properties } from "./values.js";

/**
 * The inputs after a refresh: the old ones' keys with the live state's values, so that drift shows as a difference
 * between the program and the state. A default that has drifted is no default any more.
 */
export function refreshInputs(specs: Specs, oldInputs: Properties, state: Properties): Properties {
  const inputs: Properties = {};
  const defaults = defaultsOf(oldInputs);
  for (const [key, old] of Object.entries(oldInputs)) {
    if (key === defaultsKey) continue;
    if (!(key in state)) {
      defaults?.delete(key);
      continue;
    }
    inputs[key] = refreshValue(specs[key]?.fields, specs[key]?.stateOf, old, state[key]);
    if (!deepEqual(inputs[key], old)) defaults?.delete(key);
  }
  if (defaults && defaults.size > 0) inputs[defaultsKey] = [...defaults].sort();
  return inputs;
}

function refreshValue(
  fields: Specs | undefined,
  stateOf: ((input: unknown) => unknown) | undefined,
  old: unknown,
  live: unknown,
): unknown {
  // A canonical form in the state is no reason to change how the program wrote it.
  if (stateOf) return deepEqual(stateOf(old), live) ? old : live;
  if (Array.isArray(old) && Array.isArray(live)) {
    return old.slice(0, live.length).map((element, index) => refreshValue(fields, undefined, element, live[index]));
  }
  if (isObject(old) && isObject(live)) {
    if (fields) return refreshInputs(fields, old, live);
    return Object.fromEntries(
      Object.keys(old)
        .filter((key) => key !== defaultsKey && key in live)
        .map((key) => [key, refreshValue(undefined, undefined, old[key], live[key])]),
    );
  }
  return live;
}

/** The inputs of a resource that was imported: every input the state has a value for that is not the default. */
export function inputsOfState(specs: Specs, state: Properties): Properties {
  const inputs: Properties = { [defaultsKey]: [] };
  for (const [key, spec] of Object.entries(specs)) {
    const value = state[key];
    if (spec === undefined || value === undefined || value === null) continue;
    if (!spec.required && (isZero(value) || deepEqual(value, spec.default))) continue;
    inputs[key] = spec.fields ? inputsOfValue(spec.fields, value) : value;
  }
  return inputs;
}

function inputsOfValue(fields: Specs, value: unknown): unknown {
  if (Array.isArray(value)) return value.map((element) => inputsOfValue(fields, element));
  return isObject(value) ? inputsOfState(fields, value) : value;
}
