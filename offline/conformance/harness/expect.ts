import assert from "node:assert/strict";
import { CheckFailed, type CheckFailure } from "./errors.js";
import type { DiffResult, Resource } from "./resource.js";
import { plain, type Props } from "./values.js";

/** What a change of one input has to lead to. */
export type Effect =
  | "none"
  /** in place */
  | "update"
  /** the new one first, then the old one goes */
  | "replace"
  | "delete-before-replace";

/** In words, so that a failing table says which row it was. */
export function effect(diff: DiffResult): Effect {
  if (diff.changes !== "some") {
    return "none";
  }
  if (diff.replaces.length === 0) {
    return "update";
  }
  return diff.deleteBeforeReplace ? "delete-before-replace" : "replace";
}

/**
 * Inputs changed against the base, and what that leads to; a key set to undefined is no longer set. Where versions of
 * the genuine plugin differ, several effects are right, and the reason has to be given.
 */
export type Row =
  readonly [change: Props, effect: Effect] | readonly [change: Props, oneOf: readonly Effect[], reason: string];

/**
 * Asks Diff about each row, against the resource as it is now. Nothing is changed.
 *
 * @param base - the inputs the resource was created with
 */
export async function assertEffects(resource: Resource, base: Props, rows: readonly Row[]): Promise<void> {
  assert.ok(rows.length > 0, "an empty table proves nothing");
  const wanted: Record<string, Effect | readonly Effect[]> = {};
  const seen: Record<string, Effect> = {};
  for (const [change, expected] of rows) {
    const label = JSON.stringify(change, (_key, value: unknown) => (value === undefined ? "(unset)" : value));
    const diff = effect(await resource.diff({ ...base, ...change }));
    seen[label] = diff;
    wanted[label] = typeof expected !== "string" && expected.includes(diff) ? diff : expected;
  }
  assert.deepEqual(seen, wanted);
}

/** The same inputs again make no difference. */
export async function assertStable(resource: Resource, inputs: Props): Promise<void> {
  const diff = await resource.diff(inputs);
  assert.equal(
    effect(diff),
    "none",
    `the same inputs again differ in: ${[...diff.diffs, ...diff.replaces].join(", ")}`,
  );
}

/**
 * Every listed key has this value; others are not looked at. Secrets are compared by their values; a key left out
 * counts as null, which the bridged plugins write and the engine treats alike.
 */
export function assertHas(actual: Props, expected: Props): void {
  const values = plain<Props>(actual);
  assert.deepEqual(Object.fromEntries(Object.keys(expected).map((k) => [k, values[k] ?? null])), expected);
}

/**
 * Check refuses the inputs and names the property. The bridged plugins name it inside the reason ("Examine values at
 * 'x.length'"), others in the failure's `property`: both do.
 */
export async function assertRefused(resource: Resource, inputs: Props, property: string): Promise<void> {
  const { failures } = await resource.check(inputs, true);
  assert.ok(failures.length > 0, `Check accepted ${JSON.stringify(inputs)}`);
  assert.ok(
    failures.some((f) => names(f, property)),
    `no failure names ${property}: ${new CheckFailed(failures).message}`,
  );
}

function names(failure: CheckFailure, property: string): boolean {
  return failure.property.includes(property) || failure.reason.includes(property);
}

/** `<name>-<7 hex>`, the bridge's autoname. */
export function assertAutoname(value: unknown, name: string): void {
  assert.match(String(value), new RegExp(`^${name}-[0-9a-f]{7}$`));
}
