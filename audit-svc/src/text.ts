/**
 * Characters by which a text looks like another or does more than be read: controls (U+009B begins a terminal's command), half a surrogate
 * pair, line separators, and what is invisible or turns the direction of writing. U+FE0E and U+FE0F only choose how an emoji looks.
 */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]|(?![\ufe0e\ufe0f])\p{DI}/u;
const LONE_SURROGATE = /\p{Surrogate}/u;

/** Whether no half of a surrogate pair stands alone. */
export function isWellFormed(text: string): boolean {
  return !LONE_SURROGATE.test(text);
}

/** The first character of a name that is refused because it cannot be seen or hides others, described; else `undefined`. */
export function unseenIn(text: string): string | undefined {
  const unseen = UNSEEN.exec(text)?.[0];
  if (unseen === undefined) return undefined;
  if (!isWellFormed(unseen)) return "half a surrogate pair";
  const code = `U+${(unseen.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0")}`;
  return `${code}; control characters and those that hide or reverse text are refused`;
}
