import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { cacheDir, checkOwnDirs } from "../../lib/paths.js";
import { UserError } from "../../lib/user-error.js";

describe("the sandbox's own directories", () => {
  it("keeps the cache in the home directory, or where it is told to", () => {
    assert.equal(cacheDir({}), join(homedir(), ".cache", "audit-sandbox"));
    assert.equal(cacheDir({ SANDBOX_CACHE: "/x/../y" }), "/y");
    // An empty path would be the current directory.
    assert.equal(cacheDir({ SANDBOX_CACHE: "" }), cacheDir({}));
  });

  it("names a directory that cannot be written, and the cure", () => {
    const dir = mkdtempSync(join(tmpdir(), "dirs-"));
    try {
      writeFileSync(join(dir, "file"), "");
      const inside = join(dir, "file", "inside");
      assert.throws(
        () => checkOwnDirs([dir, inside]),
        new UserError(
          `${inside} cannot be written (ENOTDIR). Give it to this user (\`sudo chown -R $USER ${inside}\`), or remove it.`,
        ),
      );
      checkOwnDirs([join(dir, "new", "one")]);
    } finally {
      rmSync(dir, { recursive: true });
    }
  });
});
