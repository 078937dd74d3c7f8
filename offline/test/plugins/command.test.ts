import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { collectAssets, globPattern } from "../../plugins/command/files.js";
import { runCommand, type CommandRun } from "../../plugins/command/run.js";
import { diffInputs } from "../../plugins/command/diff.js";
import { Secret, Unknown, type Properties } from "../../plugins/framework/values.js";

describe("the command stand-in", () => {
  let directory: string;
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), "command-"));
  });
  after(() => rm(directory, { recursive: true }));

  describe("running a command", () => {
    const run = (command: string, more: Partial<CommandRun> = {}) =>
      runCommand({
        command,
        interpreter: [],
        dir: undefined,
        environment: {},
        stdin: "",
        signal: new AbortController().signal,
        onLine: () => undefined,
        ...more,
      });

    it("tells how it ended in the words of Go, which the genuine plugin uses", async () => {
      assert.equal((await run("true")).failure, undefined);
      assert.equal((await run("exit 3")).failure, "exit status 3");
      assert.equal((await run("kill -TERM $$")).failure, "signal: terminated");
      assert.equal(
        (await run("true", { dir: `${directory}/no` })).failure,
        `chdir ${directory}/no: no such file or directory`,
      );
      assert.equal(
        (await run("x", { interpreter: ["/no/sh"] })).failure,
        "fork/exec /no/sh: no such file or directory",
      );
      assert.equal(
        (await run("x", { interpreter: ["no-sh"] })).failure,
        'exec: "no-sh": executable file not found in $PATH',
      );
    });

    it("gives whole lines as they come, characters that arrive in pieces included", async () => {
      const lines: string[] = [];
      const command = `printf 'a\\nb\\303'; sleep 0.1; printf '\\251\\r\\nc' >&1; echo e >&2`;
      const { stdout, stderr } = await run(command, { onLine: (stream, line) => lines.push(`${stream} ${line}`) });
      assert.equal(stdout, "a\nbé\r\nc");
      assert.equal(stderr, "e\n");
      assert.deepEqual(lines.sort(), ["stderr e", "stdout a", "stdout bé", "stdout c"]);
    });

    it("does not mind a command that leaves its input unread", async () => {
      assert.equal((await run("true", { stdin: "x".repeat(1_000_000) })).failure, undefined);
      assert.equal((await run("wc -c", { stdin: "x".repeat(1_000_000) })).stdout.trim(), "1000000");
    });

    it("kills it when the operation is cancelled, and does not start it afterwards", async () => {
      const controller = new AbortController();
      const running = run("exec sleep 60", { signal: controller.signal });
      setTimeout(() => {
        controller.abort();
      }, 100);
      assert.equal((await running).failure, "signal: killed");
      assert.equal((await run("true", { signal: controller.signal })).failure, "context canceled");
    });
  });

  it("matches globs as the genuine plugin's library does", () => {
    const cases: [glob: string, matches: string[], others: string[]][] = [
      ["*.txt", ["a.txt", ".txt"], ["a/b.txt", "a.txt.gz"]],
      ["src/**.js", ["src/a.js", "src/a/b.js"], ["src.js", "lib/src/a.js"]],
      ["**secret.*", ["secret.x", "a/b/secret.x"], ["secret"]],
      ["a?c", ["abc"], ["a/c", "ac"]],
      ["[a-c!]x[!^0]", ["bxy", "!x1"], ["dx1", "bx0", "bx^"]],
      ["{one,t*o}.md", ["one.md", "two.md"], ["three.md"]],
      ["a\\*b+(c)", ["a*b+(c)"], ["axb+(c)"]],
    ];
    for (const [glob, matches, others] of cases) {
      const pattern = globPattern(glob);
      assert.deepEqual(
        [...matches, ...others].filter((path) => pattern.test(path)),
        matches,
        glob,
      );
    }
    assert.throws(() => globPattern("{a"), /has a \{ without a \}/);
  });

  it("collects files by rules in their order, with their hashes", async () => {
    await mkdir(join(directory, "d"));
    for (const name of ["a.out", "b.out", "d/c.out"]) await writeFile(join(directory, name), "x");
    const assets = await collectAssets(directory, ["**.out", "!b.*", "!d/**", "d/c*"]);
    assert.deepEqual(Object.keys(assets), ["a.out", "d/c.out"]);
    assert.deepEqual(assets["d/c.out"], {
      "4dabf18193072939515e22adb298388d": "c44067f5952c0a294b673a41bacd8c17",
      hash: "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881",
      path: join(directory, "d/c.out"),
    });
  });

  it("compares inputs with inputs, and says `replace` of the triggers as a whole only", () => {
    const diff = (olds: Properties, news: Properties) =>
      [...diffInputs(olds, news).detailed].map(
        ([path, { change, replace }]) => `${change} ${path}${replace ? "!" : ""}`,
      );
    assert.deepEqual(diff({ create: "a", version: "1", __internal: {} }, { create: "a" }), []);
    assert.deepEqual(diff({ triggers: [1] }, { triggers: [2, 3] }), ["update triggers[0]", "add triggers[1]"]);
    assert.deepEqual(diff({ triggers: [1] }, {}), ["delete triggers!"]);
    assert.deepEqual(diff({}, { triggers: [1] }), ["add triggers!"]);
    assert.deepEqual(diff({ environment: { A: "1", "B.C": "2" } }, { environment: { A: "2", D: "3" } }), [
      "update environment.A",
      'delete environment["B.C"]',
      "add environment.D",
    ]);
    assert.deepEqual(diff({ stdin: new Secret("a") }, { stdin: new Secret("a") }), []);
    assert.deepEqual(diff({ stdin: new Secret("a") }, { stdin: "a" }), ["update stdin"]);
    assert.deepEqual(diff({ create: "a" }, { create: Unknown.value }), ["update create"]);
  });
});
