/**
 * The text that PostgreSQL gives of a JSON value that it stores as jsonb, from any spelling of the value. It never makes
 * a double of a number, so it is exact for values that JavaScript cannot hold. CONTRACT.md, "The log", has the rules.
 * @throws SyntaxError if it is not JSON
 */
export function jsonbText(json: string): string {
  const reader = new Reader(json);
  const text = reader.value();
  reader.end();
  return text;
}

/**
 * The members of a JSON object, each value as it is spelt.
 * @throws SyntaxError if it is not an object
 */
export function membersOf(json: string): Map<string, string> {
  const reader = new Reader(json);
  const members = reader.members(() => reader.skip());
  reader.end();
  return members;
}

/**
 * The items of a JSON array, each as it is spelt.
 * @throws SyntaxError if it is not an array
 */
export function itemsOf(json: string): string[] {
  const reader = new Reader(json);
  const items = reader.items(() => reader.skip());
  reader.end();
  return items;
}

const BLANK = /[ \t\n\r]*/y;
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const WORD = /true|false|null/y;
// eslint-disable-next-line no-control-regex -- JSON allows no control character in a string
const CONTROL = /[\u0000-\u001f]/;
/** Up to the next bracket or string. */
const BETWEEN = /[^[\]{}"]*/y;
/** Levels of objects and arrays: far more than the service stores, and far fewer than the stack holds. */
const DEEPEST = 500;
/** Digits before and after the point that PostgreSQL's numbers may have, and some more. */
const LONGEST = 200_000;
const PLAIN_ASCII = /^[\u0020-\u007e]*$/;

class Reader {
  #at = 0;
  #depth = 0;

  constructor(private readonly json: string) {
    this.#blank();
  }

  value(): string {
    switch (this.json[this.#at]) {
      case "{": {
        const members = this.members(() => this.value());
        const sorted = [...members].sort(([a], [b]) => compareKeys(a, b));
        return `{${sorted.map(([key, value]) => `${quote(key)}: ${value}`).join(", ")}}`;
      }
      case "[":
        return `[${this.items(() => this.value()).join(", ")}]`;
      case '"':
        return quote(this.#string());
      default:
        return this.#word();
    }
  }

  /** Passes over a value and answers how it is spelt. Within objects and arrays it looks for their end alone. */
  skip(): string {
    const start = this.#at;
    if (!/[[{]/.test(this.json[start] ?? "")) return this.#trimmed(start, this.#spelt() ?? this.#token(NUMBER) ?? this.#token(WORD)); // prettier-ignore
    let open = 0;
    do {
      const character = this.json[this.#at];
      if (character === '"') this.#spelt();
      else if (character === undefined) this.#fail();
      else {
        open += character === "{" || character === "[" ? 1 : -1;
        this.#at += 1;
      }
      if (open > 0) this.#token(BETWEEN);
    } while (open > 0);
    const spelt = this.json.slice(start, this.#at);
    this.#blank();
    return spelt;
  }

  /** Of a key that is there twice, the last value counts. */
  members(each: () => string): Map<string, string> {
    const members = new Map<string, string>();
    this.#list("{", "}", () => {
      const key = this.#string();
      this.#expect(":");
      members.set(key, each());
    });
    return members;
  }

  items(each: () => string): string[] {
    const items: string[] = [];
    this.#list("[", "]", () => items.push(each()));
    return items;
  }

  end(): void {
    if (this.#at < this.json.length) this.#fail();
  }

  #list(open: string, close: string, each: () => void): void {
    this.#expect(open);
    this.#depth += 1;
    if (this.#depth > DEEPEST) throw new SyntaxError(`it is nested deeper than ${DEEPEST} levels`);
    this.#rest(close, each);
    this.#depth -= 1;
  }

  #rest(close: string, each: () => void): void {
    if (this.json[this.#at] === close) return this.#expect(close);
    for (;;) {
      each();
      if (this.json[this.#at] !== ",") return this.#expect(close);
      this.#expect(",");
    }
  }

  #string(): string {
    const spelt = this.#spelt();
    if (spelt === undefined || CONTROL.test(spelt)) this.#fail();
    return spelt.includes("\\") ? (JSON.parse(spelt) as string) : spelt.slice(1, -1);
  }

  #word(): string {
    const word = this.#token(WORD);
    if (word !== undefined) return word;
    return numberText(this.#trimmed(this.#at, this.#token(NUMBER)));
  }

  /** A string as it is spelt. Not by a pattern: that would overflow the stack where there are very many escapes. */
  #spelt(): string | undefined {
    const start = this.#at;
    if (this.json[start] !== '"') return undefined;
    let end = start;
    let escapes: number;
    do {
      end = this.json.indexOf('"', end + 1);
      if (end < 0) this.#fail();
      for (escapes = 0; this.json[end - 1 - escapes] === "\\";) escapes += 1;
    } while (escapes % 2 === 1);
    this.#at = end + 1;
    this.#blank();
    return this.json.slice(start, end + 1);
  }

  #token(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const [found] = pattern.exec(this.json) ?? [];
    if (found === undefined) return undefined;
    this.#at += found.length;
    this.#blank();
    return found;
  }

  #trimmed(at: number, found: string | undefined): string {
    this.#at = found === undefined ? at : this.#at;
    return found ?? this.#fail();
  }

  #expect(character: string): void {
    if (this.json[this.#at] !== character) this.#fail();
    this.#at += 1;
    this.#blank();
  }

  #blank(): void {
    BLANK.lastIndex = this.#at;
    this.#at += BLANK.exec(this.json)?.[0].length ?? 0;
  }

  #fail(): never {
    throw new SyntaxError(`not JSON at offset ${this.#at}`);
  }
}

/** Shorter keys first, by their bytes in UTF-8; then the bytes decide. */
function compareKeys(a: string, b: string): number {
  if (PLAIN_ASCII.test(a) && PLAIN_ASCII.test(b)) return a.length - b.length || (a < b ? -1 : a > b ? 1 : 0);
  const [x, y] = [Buffer.from(a), Buffer.from(b)];
  return x.length - y.length || Buffer.compare(x, y);
}

/** Escapes what JSON demands and nothing else. JSON.stringify would also escape half surrogate pairs, which are not stored. */
const quote = (text: string): string => JSON.stringify(text);

/** Without an exponent, and with every digit that follows the point: `1.50` stays, `1e2` is `100`, `-0` is `0`. */
function numberText(spelt: string): string {
  const [, sign = "", whole = "", fraction = "", exponent = "0"] =
    /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(spelt) ?? [];
  const digits = whole + fraction;
  if (Math.abs(Number(exponent)) > LONGEST) throw new SyntaxError("it has a number of too many digits");
  const point = whole.length + Number(exponent);
  const before =
    point > 0
      ? digits
          .slice(0, point)
          .padEnd(point, "0")
          .replace(/^0+(?=\d)/, "")
      : "0";
  const after = point >= digits.length ? "" : digits.slice(Math.max(point, 0)).padStart(digits.length - point, "0");
  const text = after === "" ? before : `${before}.${after}`;
  return /[1-9]/.test(text) ? sign + text : text;
}
