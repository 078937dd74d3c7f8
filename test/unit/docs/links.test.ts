import assert from "node:assert/strict";
import { existsSync, readFileSync, readdirSync, statSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { describe, it } from "mocha";

const root = join(__dirname, "../../..");
const inDocs = readdirSync(join(root, "docs"), { recursive: true, encoding: "utf8" }).map((name) => join("docs", name));
const examples = readdirSync(join(root, "examples")).map((name) => join("examples", name, "README.md"));
const others = [
  "audit-svc/CONTRACT.md",
  "offline/README.md",
  ...examples.filter((name) => existsSync(join(root, name))),
];
const pages = [...readdirSync(root), ...inDocs, ...others].filter((name) => name.endsWith(".md"));

const withoutCode = (text: string): string => text.replace(/^ *```[^]*?^ *```$/gm, "");

/** The anchors of a page's headings, as GitLab and GitHub make them. */
const anchors = (text: string): string[] =>
  [...withoutCode(text).matchAll(/^#+ (.+)$/gm)].map(([, heading = ""]) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, "")
      .replace(/\s/g, "-"),
  );

/** The links of a page to files and headings that do not exist. */
function broken(path: string, text: string): string[] {
  const links = [...withoutCode(text).matchAll(/\]\(([^)\s]+)\)/g)].map(([, link = ""]) => link);
  return links.filter((link) => {
    if (/^https?:/.test(link)) return false;
    const [file = "", heading] = link.split("#");
    const target = join(root, normalize(file === "" ? path : join(dirname(path), file)));
    if (!existsSync(target)) return true;
    if (heading === undefined) return false;
    return (
      statSync(target).isDirectory() || !anchors(file === "" ? text : readFileSync(target, "utf8")).includes(heading)
    );
  });
}

describe("links of the documentation", () => {
  it("lead to files and headings that exist", () => {
    for (const path of pages) assert.deepEqual(broken(path, readFileSync(join(root, path), "utf8")), [], path);
  });

  it("are rejected when the file or the heading is missing", () => {
    const text =
      "# One `two`, 3\n\n[a](#one-two-3) [b](#two) [c](docs) [d](doc) [e](docs/reference.md#tls) [f](docs/guide.md#x)";
    assert.deepEqual(broken("README.md", text), ["#two", "doc", "docs/guide.md#x"]);
  });
});
