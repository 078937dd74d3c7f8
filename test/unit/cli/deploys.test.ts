import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse } from "yaml";
import { showHistory } from "../../../cli/deploys/history";
import { rollBack } from "../../../cli/deploys/rollback";
import { lastUpdates } from "../../../cli/deploys/updates";
import { contextWith, HISTORY, image, OUTPUTS, pulumiWith } from "./context";
import { audit } from "./support";

describe("audit history", () => {
  const world = (answer: unknown) => ({ stack: "vm2", ...pulumiWith({ "stack history": answer }) });

  it("shows what was deployed, when, by whom, from which release to which, and how it went", async () => {
    const { context, printed } = contextWith(world(HISTORY));
    assert.equal(await showHistory(10, context), 0);
    assert.equal(
      printed.out,
      `   2  2026-11-30 11:50:00 UTC  update succeeded in 40 s  deploy v1.2.0
      by alice; release aaaaaaaaaaaa -> bbbbbbbbbbbb; commit 0123456; 3 update, 2 create; https://gitlab.test/p/7

   1  2026-11-29 11:00:00 UTC  update failed  Try another memory
      by hand; commit fedcba9 and changes that no commit has; no resource changed
`,
    );
  });

  it("gives programs the same, and nothing of the configuration", async () => {
    const { context, printed } = contextWith(world(HISTORY), { json: true });
    await showHistory(10, context);
    const { stack, updates } = JSON.parse(printed.out) as { stack: string; updates: Record<string, unknown>[] };
    assert.equal(stack, "vm2");
    assert.deepEqual(updates[0], {
      ...{ version: 2, kind: "update", result: "succeeded", what: "deploy v1.2.0", by: "alice" },
      ...{ start: "2026-11-30T11:50:00.000Z", end: "2026-11-30T11:50:40.000Z", commit: "0123456789abcdef" },
      ...{ from: "aaaaaaaaaaaa", release: "bbbbbbbbbbbb", place: "https://gitlab.test/p/7" },
      ...{ dirty: false, changes: { update: 3, create: 2 } },
    });
    assert.doesNotMatch(printed.out, /hunter2/);
  });

  it("asks for as many as are wanted, and says when there are none, or no login", async () => {
    const none = world([]);
    const { context, printed } = contextWith(none);
    await showHistory(3, context);
    assert.equal(printed.out, "nothing has been deployed to stack vm2 yet\n");
    assert.deepEqual(none.calls, ["stack history --json --page-size 3"]);
    await assert.rejects(
      lastUpdates(world(new Error("error: no login")), 1),
      /the history of stack vm2 cannot be read: no login; log in to it/,
    );
    assert.equal((await audit(["history", "-n", "0"])).code, 2);
  });
});

describe("audit rollback", () => {
  let directory = "";
  let file = "";
  const SETTINGS = "secretsprovider: hashivault://pulumi\nencryptedkey: abc\nconfig:\n  audit:memory: 300\n  audit:registryPassword:\n    secure: v1:x\n"; // prettier-ignore
  before(() => {
    directory = mkdtempSync(join(tmpdir(), "rollback-"));
    file = join(directory, "Pulumi.vm2.yaml");
    writeFileSync(file, SETTINGS);
  });
  after(() => rmSync(directory, { recursive: true }));

  /** A world whose deploy keeps the settings that it was given. */
  const worldWith = (change: object = {}, result: unknown = "") => {
    const used: { file?: string; settings?: unknown; asked: string[] } = { asked: [] };
    const cli = pulumiWith({ up: result });
    const world = {
      ...{ stack: "vm2", project: { file }, values: {}, outputs: async () => OUTPUTS },
      onHost: async (line: string) => void used.asked.push(line),
      pulumi: (args: readonly string[]) => {
        used.file = args[args.indexOf("--config-file") + 1];
        used.settings = parse(readFileSync(used.file ?? "", "utf8"));
        return cli.pulumi(args);
      },
      ...change,
    };
    return { world, used, calls: cli.calls };
  };
  const env = { USER: "alice" };

  it("deploys the other slot's release with a record, and changes no file", async () => {
    const { world, used, calls } = worldWith();
    const { context, printed } = contextWith(world, { env });
    assert.equal(await rollBack(true, context), 0);
    assert.deepEqual(used.settings, {
      ...{ secretsprovider: "hashivault://pulumi", encryptedkey: "abc" },
      config: {
        ...{ "audit:memory": "256", "audit:registryPassword": { secure: "v1:x" }, "audit:image": image("a") },
        ...{ "audit:replicas": "1", "audit:reloadOn": "admin" },
      },
    });
    assert.equal(
      calls[0]?.replace(used.file ?? "", "FILE"),
      "up --yes --skip-preview --suppress-progress --message rollback by alice: release bbbbbbbbbbbb -> aaaaaaaaaaaa (sha256:aaaaaaaaaaaa); by hand --config-file FILE",
    );
    assert.equal(existsSync(used.file ?? ""), false);
    assert.equal(readFileSync(file, "utf8"), SETTINGS);
    assert.match(printed.out, /^release bbbbbbbbbbbb -> aaaaaaaaaaaa in [\d.]+ s, without a build\. /);
    assert.match(printed.err, /1 replicas of registry\.test/);
  });

  it("asks on a terminal, and takes no for an answer", async () => {
    for (const yes of [true, false]) {
      const { world, calls } = worldWith();
      const { context, printed } = contextWith(world, { env, terminal: true });
      assert.equal(await rollBack(false, context, async () => yes), yes ? 0 : 1);
      if (!yes) assert.match(printed.err, /\nNothing was changed\.\n$/);
      assert.equal(calls.length, yes ? 1 : 0);
    }
  });

  it("changes nothing after Ctrl-C at the question, or the input's end", async () => {
    const { world, calls } = worldWith();
    const { context, printed } = contextWith(world, { env, terminal: true });
    const ask = () => Promise.reject(Object.assign(new Error("User force closed the prompt"), { name: "ExitPromptError" })); // prettier-ignore
    assert.equal(await rollBack(false, context, ask), 130);
    assert.match(printed.err, /\nNothing was changed\.\n$/);
    assert.deepEqual(calls, []);
  });

  it("changes nothing where nobody can be asked, without a former release, or without the VM", async () => {
    const refused = async (change: object, yes: boolean, what: RegExp, exitCode = 1) => {
      const { world, calls } = worldWith(change);
      await assert.rejects(rollBack(yes, contextWith(world, { env }).context), (error: Error) => {
        assert.match(error.message, what);
        assert.equal((error as { exitCode?: number }).exitCode, exitCode);
        return true;
      });
      assert.deepEqual(calls, []);
    };
    await refused({}, false, /nothing was changed: add --yes/, 2);
    await refused({ outputs: async () => ({}) }, true, /nothing was changed: there is no former release to go back to/);
    const onHost = () => Promise.reject(new Error("ssh: connection refused"));
    await refused({ onHost }, true, /^nothing was changed: ssh: connection refused$/);
  });

  it("ends with the CLI's own error", async () => {
    const { world, used } = worldWith({}, new Error("Diagnostics:\nerror: no such image"));
    await assert.rejects(rollBack(true, contextWith(world, { env }).context), /^Error: Pulumi could not deploy .*: no such image$/); // prettier-ignore
    assert.equal(existsSync(used.file ?? ""), false);
  });

  it("asks no VM on a cluster", async () => {
    const { world, used } = worldWith({ values: { platform: "kubernetes" } });
    await rollBack(true, contextWith(world, { env }).context);
    assert.deepEqual(used.asked, []);
  });
});
