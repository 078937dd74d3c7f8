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
    .filter((line) => line.startsWith("|") && !/^\| *(\| record\b|-)/.test(line))
    .map((line) => {
      const found = /^\| (\d{4}) \| \[(.+)\]\(([^()]+)\) +\| (.+?) +\|$/.exec(line);
      assert.ok(found, `not "| number | [title](file) | status |": ${line}`);
      const [, number = "", title = "", file = "", status = ""] = found;
      return { number, title, file, status };
    });
}

const link = /\[(\d{4})\]\(([^)]+)\)/g;

/** What a record says of itself below its title. */
function statusLine(text: string): { status?: string; date?: string } {
  const [, line = ""] = text.split(/\n\n/);
  return /^Status: (?<status>.+)\. Date: (?<date>\d{4}-\d{2}-\d{2})\.$/.exec(line.replace(/\s+/g, " "))?.groups ?? {};
}

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

  it("has each record's own status and date", () => {
    for (const { file, status } of listed) {
      const own = statusLine(page(file));
      assert.equal(own.status, status, file);
      assert.ok(!Number.isNaN(Date.parse(own.date ?? "")), `${file}: ${own.date}`);
    }
  });

  it("gives no number twice", () => {
    assert.equal(new Set(records.map((name) => name.slice(0, 4))).size, records.length);
  });

  it("says for each whether it is in force, and what has changed it", () => {
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

  it("agrees with the successor of a superseded record", () => {
    const pairs = listed.flatMap(({ file, status }) => {
      const successor = /^superseded by \[\d{4}\]\(([^)]+)\)$/.exec(status)?.[1];
      return successor === undefined ? [] : [[successor, file]];
    });
    const stated = listed.flatMap(({ file }) =>
      [...page(file).matchAll(/^Supersedes \[\d{4}\]\(([^)]+)\)/gm)].map(([, former]) => [file, former]),
    );
    assert.deepEqual(stated.sort(), pairs.sort());
  });

  it("rejects a line of another form", () => {
    assert.equal(entries("| | record | status |\n|---|---|---|\n| 0001 | [`a` b](0001-a.md) | accepted |").length, 1);
    assert.equal(entries("| 0001 | [a](0001-a.md)   | accepted  |")[0]?.status, "accepted");
    assert.throws(() => entries("| 0001 | a title without a link | accepted |"), /not "\| number/);
  });
});
