import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";

/** A text in a stack's file by its key; undefined if it is not set or encrypted. */
export type StackFile = (key: string) => string | undefined;

/** Reads the settings of a stack without the CLI, which needs a login to the stack's state. */
export function stackFile(root: string, stack: string): StackFile {
  const path = join(root, `Pulumi.${stack}.yaml`);
  const { config = {} } = ((existsSync(path) ? parse(readFileSync(path, "utf8")) : undefined) ?? {}) as {
    config?: Record<string, unknown>;
  };
  return (key) => {
    const value = config[key];
    return typeof value === "string" && value !== "" ? value : undefined;
  };
}
