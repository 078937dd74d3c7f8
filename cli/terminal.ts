// eslint-disable-next-line no-control-regex -- a colour, as Style writes it
const COLOUR = /(\u001b\[[0-9;]*m)/;

/** The line, cut so that it does not wrap; colours take no place. */
export function fit(line: string, columns: number): string {
  let left = columns;
  return line
    .split(COLOUR)
    .map((piece) => {
      if (COLOUR.test(piece)) return piece;
      const characters = [...piece];
      const cut = characters.length > left ? [...characters.slice(0, Math.max(0, left - 1)), ...(left > 0 ? ["…"] : [])] : characters; // prettier-ignore
      left -= characters.length;
      return cut.join("");
    })
    .join("");
}

/** Colours as Style writes them; then control characters but for tab and line feed, and what changes the direction. */
const OBEYED =
  // eslint-disable-next-line no-control-regex -- these are what is looked for
  /\u001b\[(?:1|2|22|31|32|33|39)m|[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;

/**
 * A text by which nobody moves the cursor, hides a line or names the window: events, logs and answers of servers come
 * from others. What was replaced is spelt as in JSON, so JSON stays the same value.
 */
export const harmless = (text: string): string =>
  text.replace(OBEYED, (found) =>
    found.length > 1 ? found : `\\u${found.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
