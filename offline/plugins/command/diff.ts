import type { Change, DetailedChange, DiffResult } from "../framework/diff.js";
import { deepEqual, isObject, type Properties } from "../framework/values.js";

/** Properties that the engine puts among the inputs. */
function isInternal(name: string): boolean {
  return name === "version" || name.startsWith("__");
}

/**
 * Old inputs against new ones. A change of `triggers` as a whole replaces; a change of one of them says "update" here
 * (pulumi-go-provider compares the path `triggers[0]` with the name), and it is the SDK's option
 * `replaceOnChanges: ["triggers[*]"]` that makes the engine replace.
 */
export function diffInputs(olds: Properties, news: Properties): DiffResult {
  const detailed = new Map<string, DetailedChange>();
  const note = (path: string, change: Change) => {
    detailed.set(path, { change, replace: path === "triggers" });
  };
  const wanted = Object.fromEntries(Object.entries(news).filter(([name]) => !isInternal(name)));
  const had = Object.fromEntries(Object.entries(olds).filter(([name]) => !isInternal(name)));
  compareObjects(had, wanted, "", note);
  return { detailed, deleteBeforeReplace: false, stables: [] };
}

type Note = (path: string, change: Change) => void;

function isSet(value: unknown): boolean {
  return value !== undefined && value !== null;
}

function compareObjects(olds: Properties, news: Properties, prefix: string, note: Note): void {
  for (const key of new Set([...Object.keys(olds), ...Object.keys(news)])) {
    const path = prefix === "" ? key : joinKey(prefix, key);
    if (isSet(olds[key]) && isSet(news[key])) compare(olds[key], news[key], path, note);
    else if (isSet(olds[key])) note(path, "delete");
    else if (isSet(news[key])) note(path, "add");
  }
}

function compare(old: unknown, now: unknown, path: string, note: Note): void {
  if (Array.isArray(old) && Array.isArray(now)) {
    for (let index = 0; index < Math.max(old.length, now.length); index++) {
      const at = `${path}[${index}]`;
      if (index >= old.length) note(at, "add");
      else if (index >= now.length) note(at, "delete");
      else compare(old[index], now[index], at, note);
    }
  } else if (isObject(old) && isObject(now)) {
    compareObjects(old, now, path, note);
  } else if (!deepEqual(old, now)) {
    note(path, "update");
  }
}

function joinKey(path: string, key: string): string {
  return /[."[\]]/.test(key) ? `${path}["${key.replaceAll('"', '\\"')}"]` : `${path}.${key}`;
}
