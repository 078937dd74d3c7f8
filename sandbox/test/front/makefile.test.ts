import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { readSettings } from "../../src/settings.js";

/** The command that `make` would run, or its error. */
function make(...words: string[]): string {
  const { stdout, stderr } = spawnSync("make", ["--dry-run", ...words], {
    cwd: readSettings({}).root,
    encoding: "utf8",
    env: { PATH: process.env.PATH },
  });
  return stdout + stderr;
}

const down = (...words: string[]): string => make("down", ...words);

for (const target of ["env", "rollback"])
  describe(`\`make ${target}\``, () => {
    it("is for VM2, and by a word for the cluster", () => {
      assert.match(make(target), new RegExp(`cli\\.ts ${target} *$`, "m"));
      assert.match(make(target, "STACK=cluster"), new RegExp(`cli\\.ts ${target} --stack=cluster$`, "m"));
    });
  });

it("`make` alone starts nothing, and lists what there is", () => {
  const { stdout } = spawnSync("make", {
    cwd: readSettings({}).root,
    encoding: "utf8",
    env: { PATH: process.env.PATH },
  });
  assert.match(stdout, /^make up .*\n/m);
  const targets = /^\.PHONY: (.*)$/m
    .exec(readFileSync(join(readSettings({}).root, "Makefile"), "utf8"))?.[1]
    ?.split(" ");
  const shown = targets?.filter((target) => target !== "help" && target !== "install");
  assert.ok(shown !== undefined && shown.length > 10);
  for (const target of shown) assert.match(stdout, new RegExp(`^make ${target}\\b`, "m"));
});

it("runs no command through the machine's proxy, which does not reach the sandbox", () => {
  const { stdout } = spawnSync("make", ["--silent", "--eval", "shown: ; @env", "shown"], {
    cwd: readSettings({}).root,
    encoding: "utf8",
    env: { PATH: process.env.PATH, NODE_USE_ENV_PROXY: "1", HTTP_PROXY: "http://proxy:3128" },
  });
  assert.match(stdout, /^HTTP_PROXY=/m);
  assert.doesNotMatch(stdout, /NODE_USE_ENV_PROXY/);
});

describe("`make down`", () => {
  it("keeps the data, as KEEP=data asked for before", () => {
    for (const words of [[], ["KEEP=data"]]) assert.match(down(...words), /cli\.ts down *$/m);
  });

  it("removes the data by an explicit word only", () => {
    assert.match(down("DATA=delete"), /cli\.ts down --delete-data$/m);
    for (const word of ["DATA=yes", "DATA=keep", "DATA=do not delete"]) {
      const output = down(word);
      assert.doesNotMatch(output, /cli\.ts down/);
      assert.match(output, new RegExp(`${word} is not known; DATA=delete removes volumes and keys`));
    }
  });
});
