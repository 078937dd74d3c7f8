import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { askHost, endOf } from "../../../../components/vm/ask-host";

describe("what a program has printed when it has ended", () => {
  const ended = async (script: string, rest: number, meanwhile?: () => void) => {
    const child = spawn("sh", ["-c", script], { stdio: ["ignore", "pipe", "pipe"] });
    let printed = "";
    child.stdout.on("data", (chunk: Buffer) => (printed += chunk.toString()));
    child.on("exit", () => meanwhile?.());
    return { code: await endOf(child, rest), printed };
  };

  it("is complete, even if it arrives after its end", async () => {
    assert.deepEqual(await ended("(sleep 0.2; echo late) & exit 3", 5_000), { code: 3, printed: "late\n" });
  });

  it("is read although its time ran out while this process was busy", async () => {
    const busy = () => {
      const end = Date.now() + 300;
      while (Date.now() < end);
    };
    const afterwards = () => setTimeout(() => setImmediate(busy), 10);
    const late = await ended("(sleep 0.1; echo late; sleep 2) & exit 0", 50, afterwards);
    assert.deepEqual(late, { code: 0, printed: "late\n" });
  });

  it("is not waited for if something keeps the pipes open", async () => {
    const started = Date.now();
    assert.deepEqual(await ended("sleep 3 & echo all", 100), { code: 0, printed: "all\n" });
    assert.ok(Date.now() - started < 2_000);
  });

  it("is the error of one that fails", async () => {
    assert.equal(await askHost("sh -c", "echo yes"), "yes\n");
    await assert.rejects(askHost("sh -c", "echo no room >&2; exit 1"), /^Error: no room$/);
    await assert.rejects(askHost("sh -c", "exit 4"), /^Error: exit code 4$/);
  });
});
