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
