/** Rows as psql shows them: a head, a rule, the rows, and how many there are. */
export function table(fields: readonly { name: string }[], rows: readonly Readonly<Record<string, unknown>>[]): string {
  const names = fields.map(({ name }) => name);
  const cells = rows.map((row) => names.map((name) => shown(row[name])));
  const widths = names.map((name, at) => Math.max(name.length, ...cells.map((row) => row[at]?.length ?? 0)));
  const line = (row: readonly string[]): string =>
    row.map((cell, at) => ` ${cell.padEnd(widths[at] ?? 0)} `).join("|").trimEnd(); // prettier-ignore
  const rule = widths.map((width) => "-".repeat(width + 2)).join("+");
  return [line(names), rule, ...cells.map(line), `(${rows.length} ${rows.length === 1 ? "row" : "rows"})`].join("\n");
}

function shown(value: unknown): string {
  if (value === null || value === undefined) return "";
  if (value instanceof Date) return value.toISOString();
  if (Buffer.isBuffer(value)) return `\\x${value.toString("hex")}`;
  const text = typeof value === "string" ? value : JSON.stringify(value);
  // A line break would break the table.
  return text.replace(/[\r\n]+/g, "⏎");
}
