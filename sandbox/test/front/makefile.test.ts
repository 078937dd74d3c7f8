import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readSettings } from "../../src/settings.js";

/** The command that `make down` would run, or its error. */
function down(...words: string[]): string {
  const { stdout, stderr } = spawnSync("make", ["--dry-run", "down", ...words], {
    cwd: readSettings({}).root,
    encoding: "utf8",
    env: { PATH: process.env.PATH },
  });
  return stdout + stderr;
}

describe("`make down`", () => {
  it("keeps the data, as KEEP=data asked for before", () => {
    for (const words of [[], ["KEEP=data"]]) assert.match(down(...words), /cli\.ts down *$/m);
  });

  it("removes the data by an explicit word only", () => {
    assert.match(down("DATA=delete"), /cli\.ts down --delete-data$/m);
    for (const word of ["DATA=yes", "DATA=keep"]) {
      const output = down(word);
      assert.doesNotMatch(output, /cli\.ts down/);
      assert.match(output, new RegExp(`${word} is not known; DATA=delete removes volumes and keys`));
    }
  });
});
