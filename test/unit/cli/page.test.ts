import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { COMMANDS } from "../../../cli/commands";
import { COMMANDS_PAGE, withHelp } from "../../../tools/write-commands";

describe("docs/audit.md", () => {
  const page = readFileSync(COMMANDS_PAGE, "utf8");

  it("has the help that the commands give; `node --import tsx tools/write-commands.ts` writes it", async () => {
    assert.equal(page, await withHelp(page));
  });

  it("has a section for each command, with its help", () => {
    for (const { usage } of COMMANDS) {
      const [name = ""] = usage.split(" ");
      for (const line of [`## ${name}`, `<!-- audit ${name} --help -->`]) assert.ok(page.includes(`\n${line}\n`), line);
    }
  });
});
