import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readSettings } from "../../src/settings.js";

describe("what each command of `make` installs first", () => {
  let root: string;
  const write = (path: string, value: object): void => {
    mkdirSync(join(root, path, ".."), { recursive: true });
    writeFileSync(join(root, path), JSON.stringify(value));
  };
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), "install-"));
    cpSync(join(readSettings({}).root, "sandbox/src/install.mjs"), join(root, "sandbox/src/install.mjs"));
    const devDependencies = { tool: "file:tool" };
    write("package.json", { name: "here", version: "1.0.0", devDependencies });
    write("tool/package.json", { name: "tool", version: "1.0.0" });
    write("package-lock.json", {
      ...{ name: "here", version: "1.0.0", lockfileVersion: 3, requires: true },
      packages: {
        "": { name: "here", version: "1.0.0", devDependencies },
        "node_modules/tool": { resolved: "tool", link: true },
        tool: { version: "1.0.0", dev: true },
      },
    });
  });
  afterEach(() => rmSync(root, { recursive: true }));

  it("includes the tools, whatever NODE_ENV is for other programs", () => {
    const { status, stderr } = spawnSync(process.execPath, [join(root, "sandbox/src/install.mjs")], {
      encoding: "utf8",
      env: { PATH: process.env.PATH, HOME: root, NODE_ENV: "production" },
    });
    assert.equal(status, 0, stderr);
    assert.ok(existsSync(join(root, "node_modules/tool/package.json")), stderr);
  }).timeout(60_000);
});
