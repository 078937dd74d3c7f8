import { crc32 } from "node:zlib";
import { DatabaseError } from "pg";

/** A name as an SQL identifier. */
export function identifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/**
 * Text as an SQL literal. Backslashes are doubled although servers have standard_conforming_strings on: so does the genuine
 * plugin (pqQuoteLiteral in its helpers.go), and a password with a backslash therefore arrives with two.
 */
export function literal(text: string): string {
  return `'${text.replaceAll("\\", "\\\\").replaceAll("'", "''")}'`;
}

/** A function's name may come with its arguments, `add(int, int)`, which stay unquoted. */
export function routineIdentifier(name: string): string {
  const [bare = "", ...rest] = name.split("(");
  return rest.length === 0 ? identifier(bare) : `${identifier(bare)}(${rest[0] ?? ""}`;
}

/** A set in the order in which Terraform lists it: by the text of each element's checksum. Ids are made of it. */
export function inSetOrder(values: readonly string[]): string[] {
  const keyed = [...new Set(values)].map((value) => ({ value, key: String(crc32(value)) }));
  return keyed.sort((left, right) => (left.key < right.key ? -1 : 1)).map(({ value }) => value);
}

export function sameSet(left: readonly string[], right: readonly string[]): boolean {
  const set = new Set(left);
  return set.size === new Set(right).size && right.every((value) => set.has(value));
}

/** What went wrong, in the words of the driver that the genuine plugin uses: `pq: message (SQLSTATE)`. */
export function driverMessage(error: unknown): string {
  if (error instanceof DatabaseError) return `pq: ${error.message} (${error.code ?? ""})`;
  if (error instanceof AggregateError) return error.errors.map(driverMessage).join("; ");
  return error instanceof Error ? error.message : String(error);
}

/** Runs `action`; what fails in it is told with `what` in front. */
export async function explained<T>(what: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    throw new Error(`${what}: ${driverMessage(error)}`, { cause: error });
  }
}
