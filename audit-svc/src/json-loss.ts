/** Something in a JSON text that `JSON.parse` has silently changed or dropped. */
export interface Loss {
  /** Keys and indexes from the text's root to it. */
  readonly path: readonly (string | number)[];
  readonly message: string;
}

const [QUOTE, COMMA, MINUS, DOT, ZERO, NINE, COLON, BACKSLASH] = [0x22, 0x2c, 0x2d, 0x2e, 0x30, 0x39, 0x3a, 0x5c];
const [ARRAY, ARRAY_END, OBJECT, OBJECT_END] = [0x5b, 0x5d, 0x7b, 0x7d];
/** A number with this many digits and no exponent survives conversion to a double unchanged. */
const SAFE_DIGITS = 15;

/**
 * The first number that a double cannot represent, or key that an object has twice; `undefined` if `value` is
 * equivalent to the text. One fast pass over the text usually decides that: outside of strings each colon is exactly
 * one member of an object.
 *
 * @param text valid JSON
 * @param value what `JSON.parse` made of it, not nested so deeply that recursion fails
 */
export function findLoss(text: string, value: unknown): Loss | undefined {
  return countColons(text) === countMembers(value) ? undefined : locateLoss(text);
}

/** Returns -1 if a double cannot represent a number. */
function countColons(text: string): number {
  let colons = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) at = endOfText(text, at);
    else if (code === COLON) colons++;
    else if (code === MINUS || (code >= ZERO && code <= NINE)) {
      const end = endOfNumber(text, at);
      if (!isHeld(text, at, end)) return -1;
      at = end - 1;
    }
  }
  return colons;
}

function countMembers(value: unknown): number {
  if (typeof value !== "object" || value === null) return 0;
  let count = 0;
  if (Array.isArray(value)) {
    for (const item of value) count += countMembers(item);
    return count;
  }
  for (const key in value) count += 1 + countMembers((value as Record<string, unknown>)[key]);
  return count;
}

/** Offset of the quote that ends a string. @param start offset of its opening quote */
function endOfText(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); ; end = text.indexOf('"', end + 1)) {
    let first = end;
    while (text.charCodeAt(first - 1) === BACKSLASH) first--;
    if ((end - first) % 2 === 0) return end;
  }
}

/** Offset after a number. */
function endOfNumber(text: string, start: number): number {
  let end = start + 1;
  for (; end < text.length; end++) {
    const code = text.charCodeAt(end);
    const more =
      (code >= ZERO && code <= NINE) || code === DOT || code === MINUS || code === 0x2b || (code | 0x20) === 0x65;
    if (!more) break;
  }
  return end;
}

function isHeld(text: string, start: number, end: number): boolean {
  const negative = text.charCodeAt(start) === MINUS;
  // By far the most common numbers: a few digits and perhaps a dot, without an exponent.
  let plain = end - start <= SAFE_DIGITS;
  for (let at = start; at < end && plain; at++) plain = text.charCodeAt(at) <= NINE;
  if (plain && !negative) return true;
  const literal = text.slice(start, end);
  const number = Number(literal);
  if (number === 0 && negative) return false;
  return plain || (Number.isFinite(number) && isSpelling(decimal(literal), number));
}

/**
 * Whether a program would write this double this way: as the shortest decimal that round-trips, or with 17 or 16 digits
 * (C's `%.17g`).
 */
function isSpelling(value: string, number: number): boolean {
  return (
    value === decimal(String(number)) ||
    value === decimal(number.toPrecision(17)) ||
    value === decimal(number.toPrecision(16))
  );
}

/** A normalized form of each decimal value: digits without zeros at either end, and the exponent of the last digit. */
function decimal(literal: string): string {
  const [, sign = "", whole = "", fraction = "", exponent = "0"] =
    /^(-?)(\d+)(?:\.(\d+))?(?:e([+-]?\d+))?$/i.exec(literal) ?? [];
  const digits = (whole + fraction).replace(/^0+/, "");
  // Not a regular expression: one for trailing zeros would start again at each zero of a very long number.
  let last = digits.length;
  while (digits.charCodeAt(last - 1) === ZERO) last--;
  return last === 0
    ? "0"
    : `${sign}${digits.slice(0, last)}e${Number(exponent) - fraction.length + digits.length - last}`;
}

/** The scanner's position within an object or an array. */
interface Level {
  /** Keys so far; `undefined` in an array. */
  readonly keys: Set<string> | undefined;
  /** The current key or index. */
  key: string | number;
  /** Whether the next string is a key. */
  beforeKey: boolean;
}

/** Reads the text again, slowly, and tracks the path. */
function locateLoss(text: string): Loss | undefined {
  const levels: Level[] = [];
  const path = (): (string | number)[] => levels.map((level) => level.key);
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    const level = levels.at(-1);
    if (code === OBJECT) levels.push({ keys: new Set(), key: "", beforeKey: true });
    else if (code === ARRAY) levels.push({ keys: undefined, key: 0, beforeKey: false });
    else if (code === OBJECT_END || code === ARRAY_END) levels.pop();
    else if (code === COMMA && typeof level?.key === "number") level.key += 1;
    else if (code === COMMA && level !== undefined) level.beforeKey = true;
    else if (code === QUOTE) {
      const end = endOfText(text, at);
      if (level?.keys !== undefined && level.beforeKey) {
        const key = JSON.parse(text.slice(at, end + 1)) as string;
        level.key = key;
        level.beforeKey = false;
        if (level.keys.has(key)) return { path: path(), message: "is there twice in one object; send it once" };
        level.keys.add(key);
      }
      at = end;
    } else if (code === MINUS || (code >= ZERO && code <= NINE)) {
      const end = endOfNumber(text, at);
      if (!isHeld(text, at, end)) {
        return {
          path: path(),
          message: "is a number that a double does not hold, so it would be stored changed; send it as a string",
        };
      }
      at = end - 1;
    }
  }
  return undefined;
}
