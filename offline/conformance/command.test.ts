import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { InitFailed } from "./harness/errors.js";
import { assertEffects, assertHas, assertRefused, assertStable, effect } from "./harness/expect.js";
import { Bench } from "./harness/installed.js";
import type { Plugin } from "./harness/plugin.js";
import { UNKNOWN, secret, secretKeys, unknownKeys } from "./harness/values.js";

const COMMAND = "command:local:Command";

describe("command", () => {
  const bench = new Bench();
  let command: Plugin;
  before(async () => {
    command = await bench.configured("command", {}, { CONFORMANCE_PARENT: "inherited" });
  });
  afterEach(() => bench.cleanUp());
  after(() => bench.close());

  const messages = (): string[] => command.logs.map((l) => l.message);

  it("accepts secrets and asks for previews", () => {
    assertHas({ ...command.flags }, { acceptSecrets: true, supportsPreview: true, acceptOutputs: true });
  });

  it("adds nothing to the inputs", async () => {
    const { inputs } = await command.resource(COMMAND, "c").check({ create: "true" });
    assert.deepEqual(inputs, { create: "true" });
  });

  it("runs `create` by /bin/sh with the parent's environment and the given one, and keeps what it printed", async () => {
    const c = command.resource(COMMAND, "c");
    await c.create({
      create: `echo "$CONFORMANCE_PARENT $OWN"; cat; echo to-stderr >&2; pwd`,
      environment: { OWN: "given" },
      stdin: "from-stdin\n",
      dir: bench.dir,
    });
    assertHas(c.outputs, { stdout: `inherited given\nfrom-stdin\n${bench.dir}`, stderr: "to-stderr" });
    assert.match(c.id, /^c[0-9a-f]{8}$/);
    assert.ok(messages().includes("inherited given") && messages().includes("to-stderr"), "echoed line by line");
  });

  it("takes another interpreter", async () => {
    const c = command.resource(COMMAND, "c");
    await c.create({ create: "hello", interpreter: ["/bin/echo", "-n", "say"] });
    assert.equal(c.values.stdout, "say hello");
  });

  it("runs nothing in a preview; stdout and stderr are unknown", async () => {
    const c = command.resource(COMMAND, "c");
    const file = path.join(bench.dir, "preview");
    const outputs = await c.previewCreate({ create: `touch ${file}`, environment: { A: "b" } });
    assert.deepEqual(unknownKeys(outputs), ["stderr", "stdout"]);
    await c.create({ create: "true" });
    const update = await c.previewUpdate({ create: `touch ${file}`, update: `touch ${file}` });
    assert.deepEqual(unknownKeys(update), ["stderr", "stdout"]);
    assert.equal(existsSync(file), false);
  });

  it("passes unknown inputs through a preview", async () => {
    const outputs = await command.resource(COMMAND, "c").previewCreate({ create: UNKNOWN, environment: { A: "b" } });
    assertHas(outputs, { create: UNKNOWN, environment: { A: "b" } });
  });

  it("is replaced by `triggers` alone, and then creates first", async () => {
    const c = command.resource(COMMAND, "c");
    const base = { create: "true", delete: "true", triggers: [1] };
    await c.create(base);
    await assertStable(c, base);
    await assertEffects(c, base, [
      [{ triggers: undefined }, "replace"],
      [{ create: "false" }, "update"],
      [{ update: "true" }, "update"],
      [{ delete: "false" }, "update"],
      [{ environment: { A: "b" } }, "update"],
      [{ stdin: "x" }, "update"],
      [{ dir: "/" }, "update"],
      [{ interpreter: ["/bin/bash", "-c"] }, "update"],
      [{ logging: "none" }, "update"],
      [{ addPreviousOutputInEnv: false }, "update"],
    ]);
    // Of a change inside the list the genuine plugin says "update" (it looks `triggers[0]` up among the inputs' names);
    // the SDK's own `replaceOnChanges: ["triggers[*]"]` makes the replacement. To say "replace" at once comes to the same.
    for (const triggers of [[2], [1, 2]]) {
      const diff = await c.diff({ ...base, triggers });
      assert.deepEqual(diff.diffs, ["triggers"]);
      assert.ok(["update", "replace"].includes(effect(diff)), effect(diff));
    }
  });

  it("updates by `update`, with the last output in the environment unless told not to", async () => {
    const c = command.resource(COMMAND, "c");
    const base = { create: "echo one; echo err >&2", update: `echo "[$PULUMI_COMMAND_STDOUT|$PULUMI_COMMAND_STDERR]"` };
    await c.create(base);
    await c.update({ ...base, environment: { A: "1" } });
    assert.equal(c.values.stdout, "[one|err]");
    await c.update({ ...base, addPreviousOutputInEnv: false });
    assert.equal(c.values.stdout, "[|]");
  });

  it("updates by `create` when there is no `update`, under the same id", async () => {
    const c = command.resource(COMMAND, "c");
    await c.create({ create: "echo one" });
    const { id } = c;
    await c.update({ create: "echo two" });
    assert.equal(c.values.stdout, "two");
    assert.equal(c.id, id);
  });

  it("saves nothing of a `create` that fails, and says what it ran and what it printed", async () => {
    const c = command.resource(COMMAND, "c");
    await assert.rejects(c.create({ create: "echo printed; echo complained >&2; exit 7" }), (error: Error) => {
      assert.equal(error instanceof InitFailed, false);
      assert.match(error.message, /exit status 7: running "echo printed; echo complained >&2; exit 7"/);
      assert.match(error.message, /printed/);
      assert.match(error.message, /complained/);
      return true;
    });
    assert.equal(c.state, undefined);
  });

  it("keeps the old state when an update fails", async () => {
    const c = command.resource(COMMAND, "c");
    await c.create({ create: "echo one" });
    await assert.rejects(c.update({ create: "exit 3" }), (error: Error) => {
      assert.equal(error instanceof InitFailed, false);
      assert.match(error.message, /exit status 3/);
      return true;
    });
    assertHas(c.outputs, { create: "echo one", stdout: "one" });
  });

  it("deletes by the text of the old state, and keeps the resource when that fails", async () => {
    const c = command.resource(COMMAND, "c");
    const file = path.join(bench.dir, "deleted");
    await c.create({
      create: "echo made",
      delete: `test -e ${file}.allowed && echo "$PULUMI_COMMAND_STDOUT" > ${file}`,
    });
    await assert.rejects(c.delete(), /exit status 1/);
    assert.ok(c.state);
    writeFileSync(`${file}.allowed`, "");
    await c.delete();
    assert.equal(readFileSync(file, "utf8"), "made\n");
  });

  it("does nothing on delete without a `delete`, and does not look at anything on read", async () => {
    const c = command.resource(COMMAND, "c");
    const file = path.join(bench.dir, "read");
    await c.create({ create: `echo x >> ${file}` });
    await c.refresh();
    assert.equal(readFileSync(file, "utf8"), "x\n");
    await c.delete();
    assert.equal(readFileSync(file, "utf8"), "x\n");
  });

  it("keeps a secret input secret, but not what the command prints of it", async () => {
    const c = command.resource(COMMAND, "c");
    await c.create({ create: `echo "$TOKEN"`, environment: { TOKEN: secret("s3cret") }, logging: "none" });
    assert.deepEqual(secretKeys(c.outputs), ["environment"]);
    assert.equal(c.outputs.stdout, "s3cret");
  });

  it("echoes what `logging` says and no more", async () => {
    for (const [logging, out, err] of [
      ["none", false, false],
      ["stdout", true, false],
      ["stderr", false, true],
      ["stdoutAndStderr", true, true],
    ] as const) {
      const c = command.resource(COMMAND, "c");
      await c.create({ create: `echo out-${logging}; echo err-${logging} >&2`, logging });
      assertHas(c.outputs, { stdout: `out-${logging}`, stderr: `err-${logging}` });
      assert.deepEqual(
        [messages().includes(`out-${logging}`), messages().includes(`err-${logging}`)],
        [out, err],
        `logging: ${logging}`,
      );
    }
  });

  it("collects files by `assetPaths` and `archivePaths`, relative to `dir`", async () => {
    const c = command.resource(COMMAND, "c");
    const inputs = {
      create: "echo a > one.out; echo b > two.out",
      dir: bench.dir,
      assetPaths: ["*.out"],
      archivePaths: ["one.*"],
    };
    const { failures } = await c.check(inputs);
    if (failures.length > 0) {
      // A stand-in may leave these two out, which the program does not use, if it says so by name.
      assert.deepEqual(failures.map((f) => f.property).sort(), ["archivePaths", "assetPaths"]);
      return;
    }
    await c.create(inputs);
    const { assets, archive } = c.values as {
      assets: Record<string, object>;
      archive: { assets: Record<string, object> };
    };
    assert.deepEqual(Object.keys(assets).sort(), ["one.out", "two.out"]);
    assert.deepEqual(Object.keys(archive.assets), ["one.out"]);
  });

  it("refuses inputs that it does not know or that have a wrong type, by name", async () => {
    const c = command.resource(COMMAND, "c");
    await assertRefused(c, { create: "true", bogus: 1 }, "bogus");
    await assertRefused(c, { create: 7 }, "create");
    await assertRefused(c, { interpreter: "sh" }, "interpreter");
  });

  describe("the function run", () => {
    const RUN = "command:local:run";

    it("runs its command each time, and answers its inputs with what was printed", async () => {
      const inputs = {
        command: 'cat > "$FILE"; echo written; echo aside >&2',
        environment: { FILE: path.join(bench.dir, "of-run") },
        stdin: "RELEASE=a\n",
        logging: "none",
      };
      for (const round of [1, 2]) {
        const before = messages().length;
        const answer = await command.invoke(RUN, { ...inputs, stdin: `RELEASE=${round}\n` });
        assertHas(answer, { command: inputs.command, stdout: "written", stderr: "aside" });
        assert.equal(readFileSync(inputs.environment.FILE, "utf8"), `RELEASE=${round}\n`);
        assert.equal(messages().length, before, "`none` echoes nothing");
      }
    });

    it("fails with the command and all that it has written", async () => {
      await assert.rejects(command.invoke(RUN, { command: "echo why >&2; exit 3" }), /exit status 3.*why/s);
    });

    it("refuses a command that is missing", async () => {
      await assert.rejects(command.invoke(RUN, { stdin: "x" }), /command/);
    });
  });
});
