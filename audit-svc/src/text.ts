/** Of scripts whose letters do not join, and accents: a joiner or a selector behind them shows nothing. */
const PLAIN = ["Latin", "Greek", "Cyrillic", "Hebrew", "Han", "Hiragana", "Katakana", "Hangul", "Inherited"]
  .map((script) => `\\p{Script=${script}}`)
  .join("");
/** What U+200C and U+200D join or keep apart: letters and marks of the other scripts (Persian, Hindi), and the parts of an emoji. */
const JOINED = `(?:(?![${PLAIN}])[\\p{L}\\p{M}]|[\\p{Extended_Pictographic}\\p{Emoji_Modifier}\\ufe0f])`;
/** What a variation selector gives another look: a symbol, digit or sign, a letter that is not plain, or a Chinese character. */
const VARIED = `(?:(?![${PLAIN}])[\\p{L}\\p{M}\\p{N}\\p{P}\\p{S}]|\\p{Script=Han})`;
/**
 * Characters by which a text looks like another or does more than be read: controls (U+009B begins a terminal's command), half a surrogate
 * pair, line separators, and what is invisible or turns the direction of writing, unless it stands where writing needs it.
 */
const UNSEEN = new RegExp(
  `[\\p{Cc}\\p{Cf}\\p{Cs}\\p{Zl}\\p{Zp}\\p{DI}\\u2800]` +
    `(?<!${JOINED}[\\u200c\\u200d](?=${JOINED}))(?<!${VARIED}[\\ufe00-\\ufe0f\\u{e0100}-\\u{e01ef}])`,
  "u",
);
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
