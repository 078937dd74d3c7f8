import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { HostFiles, joinFiles } from "../../../../components/vm/host-files";
import { scriptWords } from "../../../../components/host/script-file";
import { SshHost } from "../../../../components/vm/ssh-host";
import { find, run, scriptOf } from "../../support/program";
import { world } from "../../support/world";

describe("HostFiles", () => {
  it("writes by a one-shot that may do nothing else, with the files on its standard input", async () => {
    const { resources } = await run(
      () =>
        new HostFiles("conf", { host: world().vm, target: "a-volume", files: { "b.txt": "two\n", "a.txt": "one" } }),
    );
    const { inputs } = find(resources, "Command", "conf-files");
    assert.match(
      scriptOf(inputs),
      /--network none --interactive --read-only .*--cap-drop ALL .*--volume a-volume:\/files/,
    );
    assert.equal(inputs.stdin, "-----next-file-----a.txt\none\n-----next-file-----b.txt\ntwo\n-----next-file-----\n");
    assert.match(
      (inputs.environment as Record<string, string>).AUDIT_DELETE_SCRIPT ?? "",
      / remove-files\.sh \/files a\.txt b\.txt$/,
    );
  });

  it("refuses a file name that is a path", async () => {
    await assert.rejects(
      run(() => new HostFiles("conf", { host: world().vm, target: "v", files: { "../x": "" } })),
      { message: "HostFiles conf: file name ../x is not a plain name" },
    );
  });

  it("removes them from the old place first if it may change", async () => {
    const { resources } = await run(
      () => new HostFiles("conf", { host: world().vm, target: "a-volume", files: { a: "" }, movable: true }),
    );
    assert.deepEqual(find(resources, "Command", "conf-files").inputs.triggers, ["a-volume"]);
  });

  it("writes into a directory over plain ssh, without Docker", async () => {
    const directory = mkdtempSync(join(tmpdir(), "host-files-"));
    try {
      const host = new SshHost({ address: "unix:///nowhere" });
      const { resources } = await run(
        () => new HostFiles("conf", { host, target: directory, files: { "a.txt": "one" } }),
      );
      const { inputs } = find(resources, "Command", "conf-files");
      const execute = (command: unknown) =>
        spawnSync("sh", ["-c", command as string], {
          input: inputs.stdin as string,
          env: { ...process.env, ...(inputs.environment as Record<string, string>) },
          encoding: "utf8",
        });
      const written = execute(inputs.create);
      assert.equal(written.status, 0, written.stderr);
      assert.equal(readFileSync(join(directory, "a.txt"), "utf8"), "one\n");
      assert.equal(execute(inputs.delete).status, 0);
      assert.deepEqual(readdirSync(directory), []);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  it("puts the old files back when the line after them fails, as the state still has them", async () => {
    const directory = mkdtempSync(join(tmpdir(), "host-files-"));
    const host = new SshHost({ address: "unix:///nowhere" });
    const write = async (files: Record<string, string>, then: string) => {
      const { resources } = await run(() => new HostFiles("conf", { host, target: directory, files, then }));
      const { inputs } = find(resources, "Command", "conf-files");
      return spawnSync("sh", ["-c", inputs.create as string], {
        input: inputs.stdin as string,
        env: { ...process.env, ...(inputs.environment as Record<string, string>) },
        encoding: "utf8",
      });
    };
    const texts = () =>
      Object.fromEntries(
        readdirSync(directory)
          .filter((file) => !file.startsWith("."))
          .map((file) => [file, readFileSync(join(directory, file), "utf8")]),
      );
    try {
      assert.equal((await write({ "a.txt": "one" }, "echo first")).stdout, "first\n");
      const failed = await write(
        { "a.txt": "two", "b.txt": "new" },
        `cat ${join(directory, "a.txt")} && false\necho on`,
      );
      assert.deepEqual([failed.status, failed.stdout], [1, "two\n"]);
      assert.deepEqual(texts(), { "a.txt": "one\n" });
      assert.equal((await write({ "a.txt": "three", "b.txt": "new" }, "true")).status, 0);
      assert.deepEqual(texts(), { "a.txt": "three\n", "b.txt": "new\n" });
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  it("refuses a volume without Docker", async () => {
    const host = new SshHost({ address: "ssh://deploy@prometheus.example.test" });
    await assert.rejects(
      run(() => new HostFiles("conf", { host, target: "a-volume", files: { a: "" } })),
      { message: "HostFiles: without Docker the target must be an absolute directory, not a-volume" },
    );
  });

  describe("the script", () => {
    let directory: string;
    beforeEach(() => (directory = mkdtempSync(join(tmpdir(), "host-files-"))));
    afterEach(() => rmSync(directory, { recursive: true }));

    beforeEach(() => mkdirSync(join(directory, "files")));
    /** @param arrives how many characters of the stream arrive; default all */
    const execute = (files: Record<string, string>, check: readonly string[] = [], arrives?: number) => {
      const names = Object.keys(files).sort();
      const judged = check.length === 0 ? [] : ["--", ...check];
      const [program = "", ...words] = scriptWords("write-files.sh", [
        join(directory, "files"),
        "0444",
        ...names,
        ...judged,
      ]);
      return spawnSync(program, words, {
        env: { ...process.env, TMPDIR: directory },
        input: joinFiles(
          names,
          names.map((name) => files[name] ?? ""),
        ).slice(0, arrives),
        encoding: "utf8",
      });
    };
    const written = (name: string) => readFileSync(join(directory, "files", name), "utf8");

    it("writes each file unchanged: empty lines, backslashes, leading spaces, percent signs", () => {
      const text = '  "a\\n"\n\n\t100% $HOME `x` \\\n-n\n';
      const { status, stderr } = execute({ "one.conf": text, "two.conf": "last line without end" });
      assert.equal(status, 0, stderr);
      assert.equal(written("one.conf"), text);
      assert.equal(written("two.conf"), "last line without end\n");
      assert.equal(statSync(join(directory, "files", "one.conf")).mode & 0o777, 0o444);
      assert.deepEqual(readdirSync(join(directory, "files")).sort(), ["one.conf", "two.conf"]);
      assert.deepEqual(readdirSync(directory), ["files"], "the candidates are left");
    });

    it("keeps the old files when the check refuses the new ones", () => {
      assert.equal(execute({ "one.conf": "good\n" }).status, 0);
      const { status } = execute({ "one.conf": "bad\n" }, ["grep", "-q", "good", "one.conf"]);
      assert.notEqual(status, 0);
      assert.equal(written("one.conf"), "good\n");
    });

    it("keeps the old files when the connection ends before all has arrived", () => {
      const files = { "one.conf": "first\n", "two.conf": "second\n" };
      assert.equal(execute(files).status, 0);
      const whole = joinFiles(Object.keys(files), ["other 1\n", "other 2\n"]).length;
      for (const arrives of [0, 10, 30, 60, whole - 2]) {
        const { status, stderr } = execute({ "one.conf": "other 1\n", "two.conf": "other 2\n" }, [], arrives);
        assert.equal(status, 1);
        assert.match(stderr, /did not arrive completely; the old ones stay/);
        assert.deepEqual([written("one.conf"), written("two.conf")], ["first\n", "second\n"]);
      }
    });

    it("replaces a read-only file", () => {
      assert.equal(execute({ "one.conf": "first\n" }).status, 0);
      writeFileSync(join(directory, "other"), "");
      assert.equal(execute({ "one.conf": "second\n" }).status, 0);
      assert.equal(written("one.conf"), "second\n");
      assert.equal(written(".one.conf.former"), "first\n");
    });
  });
});
