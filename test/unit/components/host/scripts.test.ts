import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { scriptLine, scriptText, scriptWords } from "../../../../components/host/script-file";

const components = resolve(__dirname, "../../../../components");
const files = readdirSync(join(components, "host")).filter((file) => file.endsWith(".sh"));

describe("the scripts of hosts and containers", () => {
  for (const file of files) {
    it(`${file} has a header with purpose, arguments and exit codes, and is complete`, () => {
      const text = scriptText(file);
      const [first, ...lines] = readFileSync(join(components, "host", file), "utf8").split("\n");
      assert.equal(first, "#!/bin/sh");
      const head = lines
        .slice(
          0,
          lines.findIndex((line) => !line.startsWith("#")),
        )
        .join("\n");
      if (!head.startsWith("# Included by ")) {
        assert.match(head, /^# (Arguments|Environment):/m);
        assert.match(head, /^# Exit codes:/m);
      }
      assert.doesNotMatch(text, /^\. /m);
      assert.doesNotMatch(text, /^\s*#/m, "another comment would be a change of what is deployed");
      const { status, stderr } = spawnSync("sh", ["-n"], { input: text, encoding: "utf8" });
      assert.deepEqual([status, stderr], [0, ""]);
    });
  }

  it("are all in use", () => {
    const texts = [
      ...readdirSync(components, { recursive: true, encoding: "utf8" })
        .filter((file) => file.endsWith(".ts"))
        .map((file) => readFileSync(join(components, file), "utf8")),
      ...files.map((file) => readFileSync(join(components, "host", file), "utf8")),
    ];
    for (const file of files)
      assert.ok(
        texts.some((text) => text.includes(`"${file}"`) || text.includes(`\n. ./${file}\n`)),
        file,
      );
  });

  it("are passed with their arguments, each as one word", () => {
    const args = ["a b", "it's", "", 3, "$HOME"];
    assert.deepEqual(scriptWords("remove-files.sh", args), [
      ...["sh", "-c", scriptText("remove-files.sh"), "remove-files.sh"],
      ...["a b", "it's", "", "3", "$HOME"],
    ]);
    const line = scriptLine("look.sh", args, { NAME: "two words", NUMBER: 1 });
    const { stdout } = spawnSync("sh", ["-c", line.replace("env ", "printf '<%s>' ")], { encoding: "utf8" });
    assert.ok(stdout.startsWith("<NAME=two words><NUMBER=1><sh><-c><set -u"), stdout);
    assert.ok(stdout.endsWith("<look.sh><a b><it's><><3><$HOME>"), stdout);
  });
});
