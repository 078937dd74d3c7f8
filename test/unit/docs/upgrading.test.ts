import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { shortCommit } from "../../e2e/support/earlier";

const page = (name: string): string => readFileSync(join(__dirname, "../../..", name), "utf8");

/** The scenario itself is skipped in a shallow clone. */
describe("the version that the upgrade scenario starts from", () => {
  it("has its list in CHANGELOG.md, and its steps in docs/upgrading.md and its sister", () => {
    assert.match(page("CHANGELOG.md"), new RegExp(`^### Replaced or deleted over \`${shortCommit}\`$`, "m"));
    for (const name of ["docs/upgrading.md", "docs/ru/upgrading.md"]) {
      assert.match(page(name), new RegExp(`^## .*\`${shortCommit}\``, "m"), name);
      assert.match(page(name), new RegExp(`CHANGELOG\\.md#replaced-or-deleted-over-${shortCommit}\\)`), name);
    }
  });
});
