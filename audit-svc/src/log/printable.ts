/** What a terminal would obey or hide: control characters but for the line feed, and what changes the direction. */
// eslint-disable-next-line no-control-regex -- these are what is looked for
const UNSAFE = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;

/**
 * A text that a terminal shows as it is. Names of events and answers of a server may come from whoever wants to hide
 * what is said about them. What was replaced is spelt as in JSON, so JSON stays the same value.
 */
export const printable = (text: string): string =>
  text.replace(UNSAFE, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`);
