import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { dirname, join, resolve } from "node:path";
import ts from "typescript";
import { scripts } from "../../package.json";

const root = resolve(__dirname, "../..");

/** The files that a project's tsconfig.json names. @param project as after `tsc -p`; empty: the root's */
function filesOf(project: string): string[] {
  const path = join(root, project, "tsconfig.json");
  const read = ts.readConfigFile(path, (file) => ts.sys.readFile(file));
  assert.equal(read.error, undefined, path);
  return ts.parseJsonConfigFileContent(read.config, ts.sys, dirname(path)).fileNames;
}

describe("npm run types", () => {
  it("checks every file of TypeScript in the repository, in one project", () => {
    const projects = scripts.types.split(" && ").map((command) => {
      const [, project = ""] = /^tsc --noEmit(?: -p (\S+))?$/.exec(command) ?? assert.fail(command);
      return project;
    });
    const checked = projects.flatMap(filesOf).sort();
    const listed = execFileSync("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard", "*.ts"], {
      cwd: root,
      encoding: "utf8",
    });
    const files = listed.split("\0").filter((file) => file !== "" && ts.sys.fileExists(join(root, file)));
    assert.ok(files.length > 500, `${files.length} files`);
    assert.deepEqual(checked, files.map((file) => join(root, file)).sort());
  });
});
