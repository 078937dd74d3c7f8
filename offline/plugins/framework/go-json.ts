/** JSON as Go writes it: keys sorted by their bytes, `<`, `>`, `&` and line separators escaped. It is what the state holds. */
export function goJson(value: unknown): string {
  return write(value).replace(
    /[<>&\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

function write(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(write).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const entries = Object.entries(value).sort(([left], [right]) =>
    Buffer.compare(Buffer.from(left), Buffer.from(right)),
  );
  return `{${entries.map(([key, entry]) => `${JSON.stringify(key)}:${write(entry)}`).join(",")}}`;
}
