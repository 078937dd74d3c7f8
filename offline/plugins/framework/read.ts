import { defaultsKey, defaultsOf, type Spec, type Specs } from "./schema.js";
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
    inputs[key] = refreshValue(specs[key] ?? {}, old, state[key]);
    if (!deepEqual(inputs[key], old)) defaults?.delete(key);
  }
  if (defaults && defaults.size > 0) inputs[defaultsKey] = [...defaults].sort();
  return inputs;
}

function refreshValue(spec: Spec, old: unknown, live: unknown): unknown {
  // Keep the program's spelling if its canonical form is what the state has.
  if (spec.stateOf) return deepEqual(spec.stateOf(old), live) ? old : live;
  const element: Spec = spec.fields ? { fields: spec.fields } : {};
  if (Array.isArray(old) && Array.isArray(live)) {
    return pairs(old, live, spec.unordered ?? false).map(([was, is]) => refreshValue(element, was, is));
  }
  if (isObject(old) && isObject(live)) {
    if (spec.fields) return refreshInputs(spec.fields, old, live);
    return Object.fromEntries(
      Object.keys(old)
        .filter((key) => key !== defaultsKey && key in live)
        .map((key) => [key, refreshValue({}, old[key], live[key])]),
    );
  }
  return live;
}

/**
 * Pairs each live element with its old one and leaves out elements without a counterpart. Elements of a set have no
 * fixed order, so they are matched by the values that the program gave.
 */
function pairs(olds: unknown[], lives: unknown[], unordered: boolean): [old: unknown, live: unknown][] {
  if (!unordered) return olds.slice(0, lives.length).map((old, index) => [old, lives[index]]);
  const left = [...lives];
  const matches = olds.map((old) => {
    const index = left.findIndex((live) => includes(live, old));
    return { old, live: index < 0 ? undefined : left.splice(index, 1)[0] };
  });
  return matches.flatMap(({ old, live }) => {
    const found = live ?? left.shift();
    return found === undefined ? [] : [[old, found]];
  });
}

/** Whether the live value has everything that the old one has; it may have more, which the provider filled in. */
function includes(live: unknown, old: unknown): boolean {
  if (isObject(live) && isObject(old)) {
    return Object.keys(old).every((key) => key === defaultsKey || includes(live[key], old[key]));
  }
  return deepEqual(live, old);
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
