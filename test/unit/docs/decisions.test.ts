import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "mocha";

const directory = join(__dirname, "../../../docs/decisions");
const page = (name: string): string => readFileSync(join(directory, name), "utf8");
const records = readdirSync(directory).filter((name) => name !== "README.md");

interface Entry {
  readonly number: string;
  readonly title: string;
  readonly file: string;
  readonly status: string;
}

/** The rows of the index's tables, without their heads. */
function entries(text: string): Entry[] {
  return text
    .split("\n")
    .filter((line) => line.startsWith("|") && !/^\|( \| record \||---)/.test(line))
    .map((line) => {
      const found = /^\| (\d{4}) \| \[(.+)\]\(([^()]+)\) \| (.+) \|$/.exec(line);
      assert.ok(found, `not "| number | [title](file) | status |": ${line}`);
      const [, number = "", title = "", file = "", status = ""] = found;
      return { number, title, file, status };
    });
}

const link = /\[(\d{4})\]\(([^)]+)\)/g;

describe("docs/decisions/README.md", () => {
  const listed = entries(page("README.md"));

  it("lists every record once, and no other", () => {
    assert.ok(records.length > 80, `${records.length} records`);
    assert.deepEqual(listed.map(({ file }) => file).sort(), records.sort());
  });

  it("has the number and the title of each record's first line", () => {
    for (const { number, title, file } of listed) {
      assert.ok(file.startsWith(`${number}-`), file);
      assert.equal(page(file).split("\n", 1)[0], `# ${number} ${title}`);
    }
  });

  it("lists records of one form", () => {
    for (const { file } of listed) {
      const parts = [...page(file).matchAll(/^\*\*([A-Z]\w+)\.\*\*/gm)].map(([, part]) => part);
      assert.deepEqual(parts, ["Context", "Decision", "Consequence"], file);
    }
  });

  it("gives no number twice", () => {
    assert.equal(new Set(records.map((name) => name.slice(0, 4))).size, records.length);
  });

  it("says of each whether it is in force, and by what it was changed", () => {
    const one = link.source;
    const status = new RegExp(`^(accepted(; amended by ${one}(, ${one})*)?|superseded by ${one})$`);
    for (const entry of listed) {
      assert.match(entry.status, status, entry.file);
      for (const [, number = "", file = ""] of entry.status.matchAll(link)) {
        assert.ok(records.includes(file) && file.startsWith(`${number}-`), `${entry.file}: ${file}`);
        assert.ok(number > entry.number, `${entry.file} is older than what changed it`);
      }
    }
  });

  it("agrees with what a superseded record and its successor say of each other", () => {
    const said = (text: string, word: string) => [
      ...text.matchAll(new RegExp(`^${word} \\[\\d{4}\\]\\(([^)]+)\\)`, "gm")),
    ];
    for (const { file, status } of listed) {
      const successor = /^superseded by \[\d{4}\]\(([^)]+)\)$/.exec(status)?.[1];
      assert.deepEqual(
        said(page(file), "Superseded by").map(([, by]) => by),
        successor === undefined ? [] : [successor],
        file,
      );
      for (const [, former = ""] of said(page(file), "Supersedes"))
        assert.match(listed.find((entry) => entry.file === former)?.status ?? "", /^superseded by/, former);
    }
  });

  it("is refused a line of another shape", () => {
    assert.equal(entries("| | record | status |\n|---|---|---|\n| 0001 | [`a` b](0001-a.md) | accepted |").length, 1);
    assert.throws(() => entries("| 0001 | a title without a link | accepted |"), /not "\| number/);
  });
});
