import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { COMMANDS } from "../../../cli/commands";
import { COMMANDS_PAGE, withHelp } from "../../../tools/write-commands";

describe("docs/audit.md", () => {
  const page = readFileSync(COMMANDS_PAGE, "utf8");

  it("has the help that the commands give; `node --import tsx tools/write-commands.ts` writes it", async () => {
    assert.equal(page, await withHelp(page));
  });

  it("names every command", () => {
    for (const { usage } of COMMANDS) {
      const [name = ""] = usage.split(" ");
      assert.ok(page.includes(`\n## ${name}\n`) || page.includes(`audit ${name}`), name);
    }
  });
});
