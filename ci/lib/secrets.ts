const known = new Set<string>();

/** Shorter values are words that a log may contain anyway; masking them would garble it and protect nothing. */
const SHORTEST = 6;

/** From now on this value is masked in everything the job prints, also in what its commands print. */
export function conceal(value: string | undefined): void {
  if (value === undefined) return;
  // A key of several lines must not slip through line by line.
  for (const part of [value, ...value.split("\n")]) {
    const text = part.trim();
    if (text.length < SHORTEST || text.startsWith("-----")) continue;
    known.add(text);
    if (encodeURIComponent(text) !== text) known.add(encodeURIComponent(text));
  }
}

/** The text with every concealed value replaced by `[MASKED]`, as GitLab shows masked variables. */
export function mask(text: string): string {
  let masked = text;
  for (const value of [...known].sort((a, b) => b.length - a.length)) masked = masked.replaceAll(value, "[MASKED]");
  return masked;
}

/** The password within a URL, as in `postgres://user:password@host/db`; undefined when there is none. */
export function passwordOf(url: string): string | undefined {
  try {
    return decodeURIComponent(new URL(url).password) || undefined;
  } catch {
    return undefined;
  }
}
