import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { dockerdOf } from "../../src/artifacts/engine.js";

describe("a dockerd that does not answer", () => {
  let dir: string;
  const started: ChildProcess[] = [];
  beforeEach(() => (dir = mkdtempSync(join(tmpdir(), "engine-"))));
  afterEach(() => {
    for (const child of started.splice(0)) child.kill();
    rmSync(dir, { recursive: true });
  });

  /** A process of this name, in a pid file. */
  async function running(name: string): Promise<{ child: ChildProcess; file: string }> {
    symlinkSync(process.execPath, join(dir, name));
    const child = spawn(join(dir, name), ["-e", "setInterval(() => undefined, 1000); console.log()"]);
    started.push(child);
    await once(child.stdout, "data");
    const file = join(dir, `${name}.pid`);
    writeFileSync(file, `${child.pid}\n`);
    return { child, file };
  }

  it("is known by its pid file while it lives", async () => {
    const { child, file } = await running("dockerd");
    assert.equal(dockerdOf(file), child.pid);
    child.kill();
    await once(child, "close");
    assert.equal(dockerdOf(file), undefined);
  });

  it("is not another process that has its pid by now, nor a file that is missing or empty", async () => {
    assert.equal(dockerdOf((await running("something")).file), undefined);
    assert.equal(dockerdOf(join(dir, "none")), undefined);
    writeFileSync(join(dir, "empty"), "");
    assert.equal(dockerdOf(join(dir, "empty")), undefined);
  });
});
