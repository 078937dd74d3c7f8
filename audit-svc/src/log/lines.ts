import { UserError } from "../errors.js";

/** Characters of one line; an event is far below. */
const LONGEST = 64 * 1024 * 1024;

/**
 * The lines of a text in UTF-8. Line feeds alone end them: the texts of JSON may hold U+2028 and U+2029, at which
 * Node's readline would break a line in two.
 */
export async function* linesOf(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of bytes) {
    const [first = "", ...others] = decoder.decode(chunk, { stream: true }).split("\n");
    rest += first;
    if (rest.length > LONGEST) throw new UserError(`a line of the export is longer than ${LONGEST} characters`);
    for (const other of others) {
      yield rest;
      rest = other;
    }
  }
  if (rest !== "") yield rest;
}
