import assert from "node:assert/strict";
import { join } from "node:path";
import { execa } from "execa";
import { filesUnder } from "../../lib/keys.js";
import { offlineDir } from "../../lib/paths.js";

describe("scripts of the images", () => {
  const dir = join(offlineDir, "images");
  for (const script of filesUnder(dir).filter((path) => path.endsWith(".sh"))) {
    it(`${script} parses and is executable`, async () => {
      const path = join(dir, script);
      assert.equal((await execa("test", ["-x", path], { reject: false })).exitCode, 0, "not executable");
      const { stdout } = await execa("head", ["-1", path]);
      await execa(stdout.replace(/^#!/, ""), ["-n", path]);
    });
  }
});
