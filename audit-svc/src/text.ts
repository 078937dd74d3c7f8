/**
 * Scripts whose letters do not join, and combining marks: after these a joiner or a variation selector is invisible.
 */
const PLAIN = ["Latin", "Greek", "Cyrillic", "Hebrew", "Han", "Hiragana", "Katakana", "Hangul", "Inherited"]
  .map((script) => `\\p{Script=${script}}`)
  .join("");
/**
 * Characters that U+200C and U+200D join or separate: letters and marks of other scripts (Persian, Hindi), and the
 * parts of an emoji.
 */
const JOINED = `(?:(?![${PLAIN}])[\\p{L}\\p{M}]|[\\p{Extended_Pictographic}\\p{Emoji_Modifier}\\ufe0f])`;
/**
 * Characters whose look a variation selector changes: a symbol, digit or punctuation mark, a letter that is not plain,
 * or a Chinese character.
 */
const VARIED = `(?:(?![${PLAIN}])[\\p{L}\\p{M}\\p{N}\\p{P}\\p{S}]|\\p{Script=Han})`;
/**
 * Characters that make a text look like another or that do more than display: control characters (U+009B starts a
 * terminal command), half a surrogate pair, line separators, and characters that are invisible or change the writing
 * direction, except where a script needs them.
 */
const UNSEEN = new RegExp(
  `[\\p{Cc}\\p{Cf}\\p{Cs}\\p{Zl}\\p{Zp}\\p{DI}\\u2800]` +
    `(?<!${JOINED}[\\u200c\\u200d](?=${JOINED}))(?<!${VARIED}[\\ufe00-\\ufe0f\\u{e0100}-\\u{e01ef}])`,
  "u",
);
const LONE_SURROGATE = /\p{Surrogate}/u;

/** Whether every surrogate is part of a pair. */
export function isWellFormed(text: string): boolean {
  return !LONE_SURROGATE.test(text);
}

/**
 * Describes the first character of a name that is refused because it is invisible or hides others; otherwise
 * `undefined`.
 */
export function unseenIn(text: string): string | undefined {
  const unseen = UNSEEN.exec(text)?.[0];
  if (unseen === undefined) return undefined;
  if (!isWellFormed(unseen)) return "half a surrogate pair";
  const code = `U+${(unseen.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0")}`;
  return `${code}; control characters and those that hide or reverse text are refused`;
}
