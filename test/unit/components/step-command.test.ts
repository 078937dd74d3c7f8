import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { stepCommand, stepWords } from "../../../components/step-command";

const root = resolve(__dirname, "../../..");

describe("the command of a step", () => {
  const formerly = process.cwd();
  afterEach(() => process.chdir(formerly));

  it("is the same in every checkout of this repository", () => {
    process.chdir(root);
    assert.equal(stepCommand("load-rules", "--forget"), "node --require tsx/cjs steps/load-rules.ts --forget");
  });

  it("finds the program from every other working directory", () => {
    process.chdir(join(root, "test/unit"));
    const file = stepWords("check-targets").at(-1) ?? "";
    assert.equal(file, "../../steps/check-targets.ts");
    assert.ok(existsSync(file));
  });
});
