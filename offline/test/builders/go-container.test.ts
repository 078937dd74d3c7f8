import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { buildGoTool } from "../../builders/go-tools.js";

describe("a Go program that is built in a container", () => {
  const before = { ...process.env };
  let dir: string;
  const program = (name: string, script: string): void =>
    writeFileSync(join(dir, name), `#!/bin/sh\n${script}`, { mode: 0o755 });
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), "go-"));
    program("go", "echo go1.1\n");
    program(
      "docker",
      `echo "$*" > '${dir}/arguments'
while [ $# -gt 0 ]; do
  case $1 in *:/out) out=\${1%:/out} ;; -o) : > "$out/\${2#/out/}" ;; esac
  shift
done
`,
    );
    process.env.SANDBOX_CACHE = join(dir, "cache");
    process.env.PATH = `${dir}${delimiter}${before.PATH ?? ""}`;
  });
  afterEach(() => {
    process.env = { ...before };
    rmSync(dir, { recursive: true });
  });

  it("is fetched through this machine's proxy, in whichever spelling it is set", async () => {
    delete process.env.https_proxy;
    Object.assign(process.env, { HTTPS_PROXY: "http://user:secret@proxy:3128", NO_PROXY: "internal" });
    await buildGoTool(
      "pause",
      () => Promise.resolve("builder"),
      () => undefined,
    );
    const given = readFileSync(join(dir, "arguments"), "utf8");
    assert.match(given, / --env HTTPS_PROXY --env NO_PROXY /);
    assert.doesNotMatch(given, /secret/);
  });

  it("leaves a cache that its owner can delete", async () => {
    await buildGoTool(
      "pause",
      () => Promise.resolve("builder"),
      () => undefined,
    );
    assert.match(readFileSync(join(dir, "arguments"), "utf8"), / --env GOFLAGS=.* -modcacherw --env /);
  });
});
