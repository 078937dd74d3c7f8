import { randomInt } from "node:crypto";

/** Which characters a string may and must have. All fields are set: the resources fill in the defaults. */
export interface StringRules {
  length: number;
  upper: boolean;
  lower: boolean;
  numeric: boolean;
  special: boolean;
  minUpper: number;
  minLower: number;
  minNumeric: number;
  minSpecial: number;
  overrideSpecial: string;
}

const letters = "abcdefghijklmnopqrstuvwxyz";
const digits = "0123456789";
const specials = "!@#$%&*()-_=+[]{}<>:?";

/** Why no string can follow the rules, or undefined. */
export function contradiction(rules: StringRules): string | undefined {
  if (rules.length < 1) return `length must be at least 1, got ${rules.length}`;
  if (!rules.upper && !rules.lower && !rules.numeric && !rules.special) {
    return "at least one of special, upper, lower, numeric must be true";
  }
  const least = rules.minUpper + rules.minLower + rules.minNumeric + rules.minSpecial;
  if (rules.length < least) {
    return `length (${rules.length}) must be at least minUpper + minLower + minNumeric + minSpecial (${least})`;
  }
  return undefined;
}

function pick(characters: readonly string[], count: number): string[] {
  return Array.from({ length: count }, () => characters[randomInt(characters.length)] ?? "");
}

/** A string by the rules, from the system's cryptographic random numbers, evenly shuffled. */
export function generateString(rules: StringRules): string {
  const special = [...(rules.overrideSpecial === "" ? specials : rules.overrideSpecial)];
  const [upper, lower, numeric] = [[...letters.toUpperCase()], [...letters], [...digits]];
  const all = [
    ...(rules.upper ? upper : []),
    ...(rules.lower ? lower : []),
    ...(rules.numeric ? numeric : []),
    ...(rules.special ? special : []),
  ];
  const result = [
    ...pick(upper, rules.minUpper),
    ...pick(lower, rules.minLower),
    ...pick(numeric, rules.minNumeric),
    ...pick(special, rules.minSpecial),
  ];
  result.push(...pick(all, rules.length - result.length));
  for (let last = result.length - 1; last > 0; last--) {
    const other = randomInt(last + 1);
    [result[last], result[other]] = [result[other] ?? "", result[last] ?? ""];
  }
  return result.join("");
}
