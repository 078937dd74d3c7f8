/** Secrets that become HTTP headers. What fetch() says of a header that it cannot take repeats the value, so none gets that far. Pure. */

/** Whether a header takes the text as it is: printable ASCII. */
export const fitsHeader = (text: string): boolean => /^[\x20-\x7e]*$/.test(text);

/** What is wrong with a text that {@link fitsHeader} refuses, to follow its name. */
export const UNFIT = "has a line break or another character within it that a header cannot have; set it again without";

/** @throws Error naming the header, never its value */
export function headersOf(values: Readonly<Record<string, string>>): Headers {
  for (const [name, value] of Object.entries(values)) {
    if (!fitsHeader(value)) throw new Error(`the value of the header ${name} ${UNFIT}`);
  }
  return new Headers(values);
}
