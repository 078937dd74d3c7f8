import assert from "node:assert/strict";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { goToolPath } from "../../builders/go-tools.js";
import { makeImage } from "../../builders/images.js";

describe("modes in an image that is built here", () => {
  const { PATH, SANDBOX_CACHE } = process.env;
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), "modes-"));
    process.env.SANDBOX_CACHE = join(dir, "cache");
    process.env.PATH = `${dir}${delimiter}${PATH ?? ""}`;
    // An engine without images, which writes down what it is given to build.
    writeFileSync(
      join(dir, "docker"),
      `#!/bin/sh
case $1 in
  image) echo "No such image" >&2; exit 1 ;;
  save) exit 1 ;;
  build) for context; do :; done; cd "$context" && find . -printf '%m %f\\n' > '${dir}/modes' ;;
esac
`,
      { mode: 0o755 },
    );
  });
  afterEach(() => {
    process.env.PATH = PATH;
    if (SANDBOX_CACHE === undefined) delete process.env.SANDBOX_CACHE;
    else process.env.SANDBOX_CACHE = SANDBOX_CACHE;
    rmSync(dir, { recursive: true });
  });

  it("let its users run a program that was built under a strict umask", async () => {
    const program = goToolPath("nginx-exporter");
    mkdirSync(dirname(program), { recursive: true });
    writeFileSync(program, "");
    chmodSync(program, 0o700);
    const builder = { image: () => Promise.resolve("base"), progress: () => undefined, env: process.env };
    await makeImage("nginx-exporter", builder);
    assert.deepEqual(readFileSync(join(dir, "modes"), "utf8").trim().split("\n").sort(), [
      "644 Dockerfile",
      "755 .",
      "755 nginx-prometheus-exporter",
    ]);
  });
});
