import { createHash } from "node:crypto";
import { readFileSync, readdirSync, statSync } from "node:fs";
import { join, relative } from "node:path";

/** Twelve hex characters that stand for all given texts, in order. */
export function keyOf(...parts: readonly string[]): string {
  const hash = createHash("sha256");
  // Lengths keep ("ab","c") apart from ("a","bc").
  for (const part of parts) hash.update(`${Buffer.byteLength(part)}:`).update(part);
  return hash.digest("hex").slice(0, 12);
}

/** All files under a directory, as paths relative to it, sorted. */
export function filesUnder(dir: string): string[] {
  const walk = (at: string): string[] =>
    readdirSync(at, { withFileTypes: true }).flatMap((entry) => {
      const path = join(at, entry.name);
      return entry.isDirectory() ? walk(path) : [relative(dir, path)];
    });
  return walk(dir).sort();
}

/** The content of a recipe directory as one key: names, whether executable, and bytes. */
export function keyOfDir(dir: string, ignore: (path: string) => boolean = () => false): string {
  return keyOf(
    ...filesUnder(dir)
      .filter((path) => !ignore(path))
      .flatMap((path) => {
        const full = join(dir, path);
        const executable = (statSync(full).mode & 0o100) !== 0;
        return [path, executable ? "x" : "-", createHash("sha256").update(readFileSync(full)).digest("hex")];
      }),
  );
}
