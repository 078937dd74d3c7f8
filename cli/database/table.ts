/** Rows as psql shows them: a head, a rule, the rows, and how many there are. */
export function table(fields: readonly { name: string }[], rows: readonly (readonly unknown[])[]): string {
  const names = fields.map(({ name }) => name);
  const cells = rows.map((row) => names.map((_, at) => shown(row[at])));
  // Not by Math.max(...), whose arguments are limited.
  const widths = names.map((name, at) =>
    cells.reduce((most, row) => Math.max(most, row[at]?.length ?? 0), name.length),
  );
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
