import assert from "node:assert/strict";
import { chmodSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { keyOf, keyOfDir } from "../../lib/keys.js";

describe("keys of recipes", () => {
  let dir = "";
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), "keys-"));
    mkdirSync(join(dir, "sub"));
    writeFileSync(join(dir, "a"), "1");
    writeFileSync(join(dir, "sub", "b"), "2");
  });
  afterEach(() => rmSync(dir, { recursive: true }));

  it("tells texts from each other by their borders", () => {
    assert.notEqual(keyOf("ab", "c"), keyOf("a", "bc"));
    assert.equal(keyOf("ab", "c"), keyOf("ab", "c"));
  });

  it("does not depend on where the recipe lies or when it was written", () => {
    const before = keyOfDir(dir);
    const moved = `${dir}-moved`;
    renameSync(dir, moved);
    writeFileSync(join(moved, "a"), "1");
    assert.equal(keyOfDir(moved), before);
    renameSync(moved, dir);
  });

  const changes: Record<string, () => void> = {
    "a file's content": () => writeFileSync(join(dir, "sub", "b"), "3"),
    "a file's name": () => renameSync(join(dir, "a"), join(dir, "c")),
    "a new file": () => writeFileSync(join(dir, "new"), ""),
    "the right to execute": () => chmodSync(join(dir, "a"), 0o755),
  };
  for (const [what, change] of Object.entries(changes)) {
    it(`changes with ${what}`, () => {
      const before = keyOfDir(dir);
      change();
      assert.notEqual(keyOfDir(dir), before);
    });
  }

  it("leaves out what is to be ignored", () => {
    const ignore = (path: string): boolean => path === join("sub", "b");
    const before = keyOfDir(dir, ignore);
    writeFileSync(join(dir, "sub", "b"), "3");
    assert.equal(keyOfDir(dir, ignore), before);
  });
});
