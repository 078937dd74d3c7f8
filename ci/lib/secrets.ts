const known = new Map<string, RegExp>();

/**
 * Minimum length: shorter values are words that a log may contain anyway, so masking them would garble it and protect
 * nothing.
 */
const SHORTEST = 6;

/** Masks this value from now on in everything that the job and its commands print. */
export function conceal(value: string | undefined): void {
  if (value === undefined) return;
  // A key with several lines must not leak line by line.
  for (const part of [value, ...value.split("\n")]) {
    const text = part.trim();
    if (text.length < SHORTEST || text.startsWith("-----") || known.has(text)) continue;
    known.set(text, new RegExp([spelt(text), ...withinBase64(text).map(spelt)].join("|"), "g"));
  }
}

/**
 * The text with every concealed value, however escaped or encoded, replaced by `[MASKED]`, as GitLab shows masked
 * variables.
 */
export function mask(text: string): string {
  let masked = text;
  for (const [, pattern] of [...known].sort(([a], [b]) => b.length - a.length))
    masked = masked.replace(pattern, "[MASKED]");
  return masked;
}

/** The password within a URL, as in `postgres://user:password@host/db`; undefined when there is none. */
export function passwordOf(url: string): string | undefined {
  if (!URL.canParse(url)) return undefined;
  const { password, searchParams } = new URL(url);
  try {
    return decodeURIComponent(password) || (searchParams.get("password") ?? undefined);
  } catch {
    return password;
  }
}

/** The part of `user:password`, or of a token, that is secret even on its own. */
export const secretPart = (login: string): string => login.slice(login.indexOf(":") + 1);

/** A pattern for the text as programs print it: unchanged, or with some characters escaped once or repeatedly. */
function spelt(text: string): string {
  return text.replace(/(\\*)([^\\]|$)/gsu, (_, backslashes: string, next: string) => {
    const run = backslashes === "" ? "" : `(?:\\\\|%(?:25)*5[cC]|&#92;){${backslashes.length},}`;
    return run + (/^[A-Za-z0-9]?$/.test(next) ? next : spellings(next, run === ""));
  });
}

/** Doubled characters (SQL, CSV, Compose) and a shell's way to write a quote within quotes; longest first. */
const DOUBLED: Readonly<Record<string, string>> = {
  "'": `'\\\\*''|'"'"'|''|`,
  '"': `""|`,
  $: "\\$\\$|",
  "%": "%%|",
  " ": "\\+|",
  "+": "-|",
  "/": "_|",
  "&": "&amp;|",
  "<": "&lt;|",
  ">": "&gt;|",
};

/** @param escapable whether backslashes may precede it that the pattern does not match yet as the text's own */
function spellings(character: string, escapable: boolean): string {
  const hex = (n: number): string =>
    n
      .toString(16)
      .padStart(2, "0")
      .replace(/[a-f]/g, (letter) => `[${letter}${letter.toUpperCase()}]`);
  const code = character.codePointAt(0) ?? 0;
  // Repeated encoding encodes the percent sign: %22, %2522.
  const inUrl = [...Buffer.from(character)].map((byte) => `%(?:25)*${hex(byte)}`).join("");
  const inXml = `&(?:quot|apos|#0*${code}|#[xX]0*${hex(code)});`;
  // JSON, shells, Go and JavaScript escape it with backslashes; each further escaping doubles those.
  const escapes = escapable ? "\\\\*" : "";
  const inJson = [...character.split("").entries()].map(([at, unit]) => `${at === 0 ? escapes : "\\\\*"}u0*${hex(unit.charCodeAt(0))}`).join(""); // prettier-ignore
  const letter = character === "\t" ? `${escapes}t|` : "";
  return `(?:${DOUBLED[character] ?? ""}${inUrl}|${inXml}|${inJson}|${letter}${escapes}${character.replace(/[^\w\s]/, "\\$&")})`;
}

/**
 * The text as it appears within base64, for example in an Authorization header with `user:password`. Base64 encodes
 * three bytes at a time, so there are three variants; characters at the ends are left out, because they also depend on
 * neighbouring bytes.
 */
function withinBase64(text: string): string[] {
  return [0, 1, 2].map((before) => {
    const bytes = Buffer.concat([Buffer.alloc(before), Buffer.from(text)]);
    const encoded = bytes.toString("base64").replace(/=+$/, "");
    return encoded.slice(before === 0 ? 0 : before + 1, bytes.length % 3 === 0 ? undefined : -1);
  });
}
