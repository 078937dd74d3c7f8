import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname, relative } from "node:path";
import { createTwoFilesPatch } from "diff";
import type { Written } from "./files";

export type State = "new" | "same" | "differs";

export interface Planned extends Written {
  readonly state: State;
  /** As `diff -u` shows it; empty unless it differs. */
  readonly diff: string;
}

export function planWrites(files: readonly Written[], directory: string): readonly Planned[] {
  return files.map((file) => {
    const before = existsSync(file.path) ? readFileSync(file.path, "utf8") : undefined;
    const state = before === undefined ? "new" : before === file.text ? "same" : "differs";
    const name = relative(directory, file.path);
    const diff = state === "differs" ? createTwoFilesPatch(name, name, before ?? "", file.text, "there", "by the answers") : ""; // prettier-ignore
    return { ...file, state, diff: diff.replace(/^(Index:.*\n)?=+\n/, "") };
  });
}

/** Each file is there whole or not at all. */
export function writeFiles(files: readonly Written[]): void {
  for (const { path, text } of files) {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(`${path}.new`, text);
    renameSync(`${path}.new`, path);
  }
}
