import type { RandomPassword, RandomString } from "@pulumi/random";
import { defineResource, isUnknown, type InputsOf } from "../framework/index.js";
import { contradiction, generateString, type StringRules } from "./generate.js";
import { keepers } from "./keepers.js";

type Inputs = InputsOf<typeof RandomString>;

const flags = ["upper", "lower", "numeric", "special"] as const;
const minimums = ["minUpper", "minLower", "minNumeric", "minSpecial"] as const;

/** The rules with the provider's defaults; `number` is the deprecated name of `numeric`. */
function rulesOf(inputs: Partial<Inputs>): StringRules {
  const numeric = inputs.numeric ?? inputs.number ?? true;
  return {
    length: inputs.length ?? 0,
    upper: inputs.upper ?? true,
    lower: inputs.lower ?? true,
    numeric,
    special: inputs.special ?? true,
    minUpper: inputs.minUpper ?? 0,
    minLower: inputs.minLower ?? 0,
    minNumeric: inputs.minNumeric ?? 0,
    minSpecial: inputs.minSpecial ?? 0,
    overrideSpecial: inputs.overrideSpecial ?? "",
  };
}

/** What the state holds of the rules: all of them, except that no special characters were given. */
function rulesState(rules: StringRules) {
  const { overrideSpecial, ...rest } = rules;
  return { ...rest, number: rules.numeric, overrideSpecial: overrideSpecial === "" ? null : overrideSpecial };
}

/** Every rule replaces. The defaults are not among the inputs: the provider fills them in when it plans. */
const rule = { forceNew: true, computed: true } as const;
const inputs = {
  length: { forceNew: true, required: true },
  keepers,
  lower: rule,
  upper: rule,
  numeric: rule,
  number: rule,
  special: rule,
  minLower: rule,
  minUpper: rule,
  minNumeric: rule,
  minSpecial: rule,
  overrideSpecial: { forceNew: true },
} as const;

function* check(given: Partial<Inputs>): Generator<{ property: string; reason: string }> {
  if (Object.values(given).some(isUnknown)) return;
  const reason = contradiction(rulesOf(given));
  if (reason !== undefined) yield { property: "length", reason };
}

/** A rule that the program no longer sets goes back to its default, which replaces if it was another. */
function customizeDiff(state: Partial<Inputs>, given: Partial<Inputs>): { changed: string[] } {
  const wanted = rulesOf(given);
  const changed = [...flags, ...minimums].filter(
    (name) =>
      given[name] === undefined &&
      state[name] !== undefined &&
      state[name] !== null &&
      !isUnknown(given.number) &&
      state[name] !== wanted[name],
  );
  return { changed };
}

export const randomString = defineResource<typeof RandomString, undefined>({
  token: "random:index/randomString:RandomString",
  inputs,
  outputs: { result: {} },
  check,
  customizeDiff,
  // The defaults show in a preview already; an unknown rule stays unknown.
  plan: (given) => rulesState(rulesOf(given)),
  async create(_ctx, given) {
    const rules = rulesOf(given);
    const result = generateString(rules);
    return Promise.resolve({ id: result, state: { ...rulesState(rules), result } });
  },
  async read(_ctx, id, state) {
    if (state.result !== undefined) return Promise.resolve({ id, state });
    return Promise.resolve({ id, state: { ...rulesState(rulesOf({ length: id.length })), result: id } });
  },
  async delete() {
    // Nothing exists outside the state.
  },
});

export const randomPassword = defineResource<typeof RandomPassword, undefined>({
  token: "random:index/randomPassword:RandomPassword",
  inputs,
  outputs: { result: { secret: true }, bcryptHash: { secret: true } },
  check,
  customizeDiff,
  // The defaults show in a preview already; an unknown rule stays unknown.
  plan: (given) => rulesState(rulesOf(given)),
  async create(_ctx, given) {
    const rules = rulesOf(given);
    const result = generateString(rules);
    return { id: "none", state: { ...rulesState(rules), result, bcryptHash: await bcrypt(result) } };
  },
  async read(_ctx, id, state) {
    if (state.result !== undefined) return { id, state };
    // An import: the id is the password itself, and must not stay in the state as an id, which is no secret.
    const rules = rulesState(rulesOf({ length: id.length }));
    return { id: "none", state: { ...rules, result: id, bcryptHash: await bcrypt(id) } };
  },
  async delete() {
    // Nothing exists outside the state.
  },
});

/** With the provider's cost; only the first 72 bytes count, as bcrypt has it. */
async function bcrypt(password: string): Promise<string> {
  const { genSalt, hash } = await import("bcryptjs");
  // Go's bcrypt writes the older prefix; the hashes are the same.
  return hash(password, (await genSalt(10)).replace("$2b$", "$2a$"));
}
