const known = new Map<string, RegExp>();

/** Shorter values are words that a log may contain anyway; masking them would garble it and protect nothing. */
const SHORTEST = 6;

/** From now on this value is masked in everything the job prints, also in what its commands print. */
export function conceal(value: string | undefined): void {
  if (value === undefined) return;
  // A key of several lines must not slip through line by line.
  for (const part of [value, ...value.split("\n")]) {
    const text = part.trim();
    if (text.length < SHORTEST || text.startsWith("-----") || known.has(text)) continue;
    known.set(text, new RegExp([spelt(text), ...withinBase64(text).map(spelt)].join("|"), "g"));
  }
}

/** The text with every concealed value, in whatever spelling, replaced by `[MASKED]`, as GitLab shows masked variables. */
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

/** `user:password` or a token: what of it is secret also when it stands alone. */
export const secretPart = (login: string): string => login.slice(login.indexOf(":") + 1);

/** A pattern for the text as programs print it: as it is, or with some of its characters escaped, once or repeatedly. */
function spelt(text: string): string {
  return text.replace(/(\\*)([^\\]|$)/gsu, (_, backslashes: string, next: string) => {
    const run = backslashes === "" ? "" : `(?:\\\\|%(?:25)*5[cC]|&#92;){${backslashes.length},}`;
    return run + (/^[A-Za-z0-9]?$/.test(next) ? next : spellings(next, run === ""));
  });
}

/** Doublings (SQL, CSV, Compose) and what a shell makes of a quote within quotes; longest first. */
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

/** @param escapable may have backslashes before it, of which the pattern has not taken those of a run of the text's own yet */
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
  // JSON, shells, Go and JavaScript put backslashes before it, each further one before all of those.
  const escapes = escapable ? "\\\\*" : "";
  const inJson = [...character.split("").entries()].map(([at, unit]) => `${at === 0 ? escapes : "\\\\*"}u0*${hex(unit.charCodeAt(0))}`).join(""); // prettier-ignore
  const letter = character === "\t" ? `${escapes}t|` : "";
  return `(?:${DOUBLED[character] ?? ""}${inUrl}|${inXml}|${inJson}|${letter}${escapes}${character.replace(/[^\w\s]/, "\\$&")})`;
}

/**
 * What is left of the text wherever it stands within something that is encoded in base64, as `user:password` of an Authorization
 * header is: bytes are encoded by threes, so there are three ways, and the characters at its ends depend on its neighbours.
 */
function withinBase64(text: string): string[] {
  return [0, 1, 2].map((before) => {
    const bytes = Buffer.concat([Buffer.alloc(before), Buffer.from(text)]);
    const encoded = bytes.toString("base64").replace(/=+$/, "");
    return encoded.slice(before === 0 ? 0 : before + 1, bytes.length % 3 === 0 ? undefined : -1);
  });
}
