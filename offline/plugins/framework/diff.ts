import { defaultsKey, defaultsOf, isZeroDefault, type Spec, type Specs } from "./schema.js";
import { deepEqual, isObject, isZero, Unknown, type Properties } from "./values.js";

export type Change = "add" | "delete" | "update";

export interface DetailedChange {
  readonly change: Change;
  readonly replace: boolean;
}

export interface DiffResult {
  /** By property path, e.g. `ports[0].external`. */
  readonly detailed: ReadonlyMap<string, DetailedChange>;
  readonly deleteBeforeReplace: boolean;
  /** Top-level names that are known to keep their values. */
  readonly stables: readonly string[];
}

/** The top-level name in a property path. */
export function topLevel(path: string): string {
  return /^[^.[]*/.exec(path)?.[0] ?? path;
}

export function changedNames(diff: DiffResult): Set<string> {
  return new Set([...diff.detailed.keys()].map(topLevel));
}

export function replacedNames(diff: DiffResult): Set<string> {
  return new Set([...diff.detailed].filter(([, { replace }]) => replace).map(([path]) => topLevel(path)));
}

export type CustomizeDiff = (
  state: Properties,
  inputs: Properties,
  diff: { changed: ReadonlySet<string> },
) => { changed?: readonly string[]; unchanged?: readonly string[]; replaces?: readonly string[] };

export interface DiffOptions {
  readonly ignoreChanges: readonly string[];
  readonly deleteBeforeReplace: boolean;
  readonly customize?: CustomizeDiff | undefined;
}

/**
 * The state against the inputs wanted, as Terraform compares them: what is not set counts only if the state holds
 * something there that the provider did not make up.
 *
 * @param inputs - checked inputs, `__defaults` included: it tells autonames from names given by hand
 */
export function diffState(specs: Specs, state: Properties, inputs: Properties, options: DiffOptions): DiffResult {
  const detailed = new Map<string, DetailedChange>();
  const ignored = options.ignoreChanges.map(pathPattern);
  const note = (path: string, change: Change, replace: boolean) => {
    if (!ignored.some((pattern) => pattern.test(path))) detailed.set(path, { change, replace });
  };
  compareFields(specs, state, inputs, "", false, note);

  if (options.customize) {
    const changed = new Set([...detailed.keys()].map(topLevel));
    const verdict = options.customize(state, inputs, { changed });
    for (const name of verdict.changed ?? []) {
      if (!changed.has(name)) note(name, state[name] === undefined ? "add" : "update", specs[name]?.forceNew ?? false);
    }
    for (const path of [...detailed.keys()]) {
      if (verdict.unchanged?.includes(topLevel(path))) detailed.delete(path);
    }
    for (const [path, { change }] of [...detailed]) {
      if (verdict.replaces?.includes(topLevel(path))) detailed.set(path, { change, replace: true });
    }
  }

  const replaces = [...detailed.values()].some(({ replace }) => replace);
  const replaced = new Set([...detailed].filter(([, { replace }]) => replace).map(([path]) => topLevel(path)));
  return {
    detailed,
    deleteBeforeReplace: replaces && (options.deleteBeforeReplace || nameGivenByHand(specs, inputs)),
    stables: Object.keys(specs)
      .filter((name) => specs[name]?.forceNew === true && !replaced.has(name))
      .sort(),
  };
}

/** Only one resource at a time can have a name that is not an autoname, so the old one must be deleted first. */
function nameGivenByHand(specs: Specs, inputs: Properties): boolean {
  const defaults = defaultsOf(inputs);
  if (defaults === undefined) return false;
  return Object.keys(inputs).some((key) => specs[key]?.autoname === true && !defaults.has(key));
}

type Note = (path: string, change: Change, replace: boolean) => void;

function compareFields(
  specs: Specs,
  state: Properties,
  inputs: Properties,
  prefix: string,
  replace: boolean,
  note: Note,
): void {
  for (const [key, spec] of Object.entries(specs)) {
    if (spec === undefined || key === defaultsKey) continue;
    compare(spec, state[key], inputs[key], prefix + key, replace || spec.forceNew === true, note);
  }
}

function compare(spec: Spec, state: unknown, input: unknown, path: string, replace: boolean, note: Note): void {
  const hasState = state !== undefined && state !== null;
  if (input instanceof Unknown) {
    note(path, hasState ? "update" : "add", replace);
    return;
  }
  if (input === undefined || input === null) {
    // Check does not write such a default, yet it is what the program wants.
    if (hasState && isZeroDefault(spec.default) && spec.equal?.(state, spec.default)) return;
    if (!spec.computed && !isZero(state)) noteAll(spec, state, path, "delete", replace, note);
    return;
  }
  if (!hasState) {
    if (!isZero(input)) noteAll(spec, input, path, "add", replace, note);
    return;
  }
  const wanted = spec.stateOf ? spec.stateOf(input) : input;
  if (spec.equal?.(state, wanted)) return;
  if (Array.isArray(state) && Array.isArray(wanted)) {
    compareLists(spec, state, wanted, path, replace, note);
  } else if (isObject(state) && isObject(wanted)) {
    if (spec.fields) compareFields(spec.fields, state, wanted, `${path}.`, replace, note);
    else compareMaps(state, wanted, path, replace, note);
  } else if (!sameScalar(state, wanted)) {
    note(path, "update", replace);
  }
}

/** Terraform converts scalars to the schema's type, so that "8080" and 8080 are the same. */
function sameScalar(state: unknown, wanted: unknown): boolean {
  const text = (value: unknown) => (typeof value === "number" || typeof value === "boolean" ? value.toString() : value);
  return deepEqual(text(state), text(wanted));
}

function compareLists(spec: Spec, state: unknown[], wanted: unknown[], path: string, replace: boolean, note: Note) {
  // The elements follow the list's own description, but its comparison is of whole lists.
  const element: Spec = spec.fields ? { fields: spec.fields } : {};
  const same = (a: unknown, b: unknown) => {
    let equal = true;
    compare(element, a, b, "", false, () => (equal = false));
    return equal;
  };
  let stateIndexes = state.map((_, index) => index);
  let wantedIndexes = wanted.map((_, index) => index);
  if (spec.unordered) {
    const left = new Set(stateIndexes);
    wantedIndexes = wantedIndexes.filter((index) => {
      const match = [...left].find((candidate) => same(state[candidate], wanted[index]));
      if (match !== undefined) left.delete(match);
      return match === undefined;
    });
    stateIndexes = [...left];
    for (const index of wantedIndexes) {
      if (left.has(index)) note(`${path}[${index}]`, "update", replace);
      else noteAll(element, wanted[index], `${path}[${index}]`, "add", replace, note);
    }
    for (const index of stateIndexes) {
      if (!wantedIndexes.includes(index)) noteAll(element, state[index], `${path}[${index}]`, "delete", replace, note);
    }
    return;
  }
  for (let index = 0; index < Math.max(state.length, wanted.length); index++) {
    const at = `${path}[${index}]`;
    if (index >= state.length) noteAll(element, wanted[index], at, "add", replace, note);
    else if (index >= wanted.length) noteAll(element, state[index], at, "delete", replace, note);
    else compare(element, state[index], wanted[index], at, replace, note);
  }
}

function compareMaps(state: Properties, wanted: Properties, path: string, replace: boolean, note: Note): void {
  for (const key of new Set([...Object.keys(state), ...Object.keys(wanted)])) {
    if (key === defaultsKey) continue;
    const at = joinKey(path, key);
    if (!(key in wanted)) noteAll({}, state[key], at, "delete", replace, note);
    else if (!(key in state)) noteAll({}, wanted[key], at, "add", replace, note);
    else compare({}, state[key], wanted[key], at, replace, note);
  }
}

/** One entry for each leaf, or for the value itself when it is empty. A field that replaces does so here, too. */
function noteAll(spec: Spec, value: unknown, path: string, change: Change, replace: boolean, note: Note): void {
  if (Array.isArray(value) && value.length > 0) {
    value.forEach((element, index) => {
      noteAll(spec, element, `${path}[${index}]`, change, replace, note);
    });
  } else if (isObject(value) && Object.keys(value).some((key) => key !== defaultsKey)) {
    for (const [key, element] of Object.entries(value)) {
      if (key === defaultsKey) continue;
      const field = spec.fields?.[key] ?? {};
      noteAll(field, element, joinKey(path, key), change, replace || field.forceNew === true, note);
    }
  } else {
    note(path, change, replace);
  }
}

function joinKey(path: string, key: string): string {
  return /[."[\]]/.test(key) ? `${path}["${key.replaceAll('"', '\\"')}"]` : `${path}.${key}`;
}

/** Matches what an `ignoreChanges` path names and everything below it; `*` stands for any one step. */
function pathPattern(path: string): RegExp {
  const source = path
    .split("*")
    .map((part) => part.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&"))
    .join("[^.\\[\\]]+");
  return new RegExp(`^${source}(?:$|[.\\[])`);
}
