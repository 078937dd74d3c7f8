import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fakeProgram } from "../../support/fake-programs";
import { runScript } from "../../support/host-script";

describe("the script that migrates", () => {
  let directory: string;
  const at = (name: string) => join(directory, name);
  beforeEach(() => (directory = mkdtempSync(join(tmpdir(), "migrate-"))));
  afterEach(() => rmSync(directory, { recursive: true }));

  /** @param run what `docker run` does */
  function execute(run: string, seconds = 30) {
    fakeProgram(directory, "docker", `echo "$*" >> ${at("asked")}; case "$1" in rm) exit 1 ;; run) ${run} ;; esac`);
    const words = ["docker", "run", "--name", "m", "an image"];
    const ran = runScript("migrate.sh", ["m", seconds, ...words], { directory, input: "configuration" });
    return { ...ran, asked: readFileSync(at("asked"), "utf8").trim().split("\n") };
  }

  it("ends what a killed deploy left, then migrates with the configuration on standard input", () => {
    const { status, stdout, asked } = execute(`cat > ${at("read")}; echo "schema version 3"`);
    assert.deepEqual([status, stdout], [0, "schema version 3\n"]);
    assert.deepEqual(asked, ["rm --force m", "run --name m an image"]);
    assert.equal(readFileSync(at("read"), "utf8"), "configuration");
  });

  it("fails as the migration does, with what it says", () => {
    const { status, stderr, asked } = execute("echo 'column is missing' >&2; exit 3");
    assert.deepEqual([status, stderr], [3, "column is missing\n"]);
    assert.equal(asked.length, 2);
  });

  it("stops a migration that does not end in time", () => {
    const { status, stderr, asked } = execute(`sleep 30; touch ${at("ended")}`, 1);
    assert.deepEqual([status, stderr], [124, "the migration did not end within 1 s and was stopped\n"]);
    assert.deepEqual(asked, ["rm --force m", "run --name m an image", "rm --force m"]);
    assert.ok(!existsSync(at("ended")));
  });

  it("takes one that was killed for lack of memory for no late one", () => {
    const { status, stderr, asked } = execute("exit 137");
    assert.deepEqual([status, stderr, asked.length], [137, "", 2]);
  });

  it("stops one that takes no notice of SIGTERM", function () {
    this.timeout(20_000);
    const { status, asked } = execute(`trap "" TERM; for i in $(seq 30); do sleep 1 || :; done`, 1);
    assert.equal(status, 137);
    assert.deepEqual(asked.at(-1), "rm --force m");
  });
});
