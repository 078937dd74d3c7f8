import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { describe, it } from "mocha";

const root = join(__dirname, "../../..");
const page = (path: string): string => readFileSync(join(root, path), "utf8");

/** Pages in English, and the same in Russian. */
const pairs = [
  ["README.md", "README.ru.md"],
  ["docs/guide.md", "docs/ru/guide.md"],
  ["docs/reference.md", "docs/ru/reference.md"],
  ["docs/cluster.md", "docs/ru/cluster.md"],
  ["docs/security.md", "docs/ru/security.md"],
  ["docs/log.md", "docs/ru/log.md"],
  ["docs/upgrading.md", "docs/ru/upgrading.md"],
] as const;

const block = /^ *```(\w*)\n([^]*?)^ *```$/gm;
const prose = (text: string): string => text.replace(block, "");
const all = (text: string, pattern: RegExp): string[] => [...text.matchAll(pattern)].map(([, found = ""]) => found);

/** What stands for the reader's own word is in the reader's language: <holder>, "(from above)". */
const untranslated = (text: string): string =>
  text
    .replace(/\s+/g, " ")
    .replace(/<[^>]*>/g, "<…>")
    .replace(/ \([^()]*\)'/g, "'");
/** Where a link of a page leads: the English page for both languages, without the heading. */
function target(link: string, from: string): string {
  if (/^https?:/.test(link)) return link;
  const [path = ""] = link.split("#");
  return normalize(path === "" ? from : join(dirname(from), path))
    .replace("docs/ru/", "docs/")
    .replace(".ru.md", ".md");
}

/** What a translation has in common with its original. */
const structure = (path: string, text = page(path)) => ({
  headings: all(prose(text), /^(#+) /gm),
  items: all(prose(text), /^( *)(?:-|\d+\.) /gm).map((indent) => indent.length),
  cells: all(prose(text), /^ *(\|.*)\|$/gm).map((row) => row.split("|").length),
  // Without the comments at the ends of lines.
  commands: [...text.matchAll(block)].map(([, language, code = ""]) => [
    language,
    ...code.split("\n").map((line) => untranslated(line.trim().replace(/\s+(#|--) .*$/, ""))),
  ]),
  names: [
    ...new Set(all(prose(text), /`([^`]+)`/g).map((name) => untranslated(name.replace(/docs\/ru\//, "docs/")))),
  ].sort(),
  links: all(prose(text), /\]\(([^)\s]+)\)/g)
    .map((link) => target(link, path))
    .sort(),
});

describe("pages in two languages", () => {
  for (const [english, russian] of pairs) {
    it(`${english} and ${russian} have the same headings, lists, tables, commands, names and links`, () => {
      assert.deepEqual(structure(russian), structure(english));
    });
  }

  it("differ when a step, a command, a name or a link is missing in one of them", () => {
    const text = "# A\n\n1. do `b`, see [c](c.md)\n\n```sh\nmake d # why\n```\n";
    const of = (changed: string) => structure("x.md", changed);
    assert.deepEqual(of(text.replace("why", "зачем").replace("do", "выполните")), of(text));
    for (const part of ["# A\n", "1. ", "make d", "`b`", "(c.md)"])
      assert.notDeepEqual(of(text.replace(part, "")), of(text), part);
  });
});
