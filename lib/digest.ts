import { createHash } from "node:crypto";

/** Sixteen hexadecimal digits that change with the value, for labels and triggers. */
export function digestOf(value: unknown): string {
  return createHash("sha256").update(JSON.stringify(value)).digest("hex").slice(0, 16);
}
