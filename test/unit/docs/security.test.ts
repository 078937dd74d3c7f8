import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "mocha";

const root = join(__dirname, "../../..");
const page = (path: string): string => readFileSync(join(root, path), "utf8");
const plain = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

/** Where a test that the page names is. */
const fileOf = (name: string): string =>
  name.startsWith("audit-svc/") ? name.replace("/", "/test/") + ".test.ts" : `test/${name}.test.ts`;

/**
 * Whether a file has a test of this title. A title with a variable part is one where the file has that part as a text of its own, as a
 * table of cases has it.
 */
function hasTest(source: string, title: string): boolean {
  const titles = [...source.matchAll(/\bit\(\s*(?:"((?:[^"\\]|\\.)*)"|`((?:[^`\\]|\\.)*)`)/g)];
  return titles.some(([, text, template]) => {
    if (text !== undefined) return text === title;
    const parts = (template ?? "").split(/\$\{[^}]*\}/);
    const found = new RegExp(`^${parts.map(plain).join("(.+)")}$`).exec(title);
    return found?.slice(1).every((part) => source.includes(`"${part}"`)) ?? false;
  });
}

interface Row {
  readonly what: string;
  /** The last cell. */
  readonly shown: string;
  readonly tests: readonly (readonly [file: string, title: string])[];
}

/** The rows of the tables that have the column "shown by". */
function rows(text = page("docs/security.md")): Row[] {
  const tables = text.match(/(?:^\|.*\n)+/gm) ?? [];
  return tables
    .map((table) => table.trimEnd().split("\n"))
    .filter(([head = ""]) => /\| shown by +\|$/.test(head))
    .flatMap(([, , ...lines]) => lines)
    .map((line) => {
      const cells = line.split("|").map((cell) => cell.trim());
      const shown = cells.at(-2) ?? "";
      const tests = [...shown.matchAll(/`([\w./-]+)` "([^"]+)"/g)].map(
        ([, file = "", title = ""]) => [file, title] as const,
      );
      return { what: cells[1] ?? "", shown, tests };
    });
}

describe("docs/security.md", () => {
  it("has a test for every row, or says that there is none", () => {
    const found = rows();
    assert.ok(found.length > 40, `${found.length} rows`);
    for (const { what, shown, tests } of found) assert.ok(tests.length > 0 || /^not tested: \w+/.test(shown), what);
  });

  it("names tests that exist, by file and title", () => {
    for (const { what, tests } of rows())
      for (const [name, title] of tests) {
        const file = join(root, fileOf(name));
        assert.ok(existsSync(file), `${what}: ${fileOf(name)}`);
        assert.ok(hasTest(readFileSync(file, "utf8"), title), `${what}: ${fileOf(name)} has no test "${title}"`);
      }
  });

  it("has a sister in Russian that names the same tests in the same rows", () => {
    const tests = (path: string) => rows(page(path)).map((row) => row.tests);
    assert.deepEqual(tests("docs/ru/security.md"), tests("docs/security.md"));
  });

  it("rejects a missing test, or one of another case", () => {
    const source = 'it("does this", …); for (const what of ["widen it"]) it(`may not ${what}`, …);';
    assert.ok(hasTest(source, "does this"));
    assert.ok(hasTest(source, "may not widen it"));
    for (const title of ["does", "may not delete it", "may not "]) assert.ok(!hasTest(source, title), title);
  });
});
