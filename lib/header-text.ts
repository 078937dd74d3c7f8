/**
 * Secrets that become HTTP headers. fetch()'s error about an invalid header repeats its value, so values are checked
 * first. Pure.
 */

/** Whether the text is a valid header value as it is: printable ASCII. */
export const fitsHeader = (text: string): boolean => /^[\x20-\x7e]*$/.test(text);

/** What is wrong with a text that {@link fitsHeader} rejects; a message appends it to the text's name. */
export const UNFIT = "has a line break or another character within it that a header cannot have; set it again without";

/** @throws Error naming the header, never its value */
export function headersOf(values: Readonly<Record<string, string>>): Headers {
  for (const [name, value] of Object.entries(values)) {
    if (!fitsHeader(value)) throw new Error(`the value of the header ${name} ${UNFIT}`);
  }
  return new Headers(values);
}
