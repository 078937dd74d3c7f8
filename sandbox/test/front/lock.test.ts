import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { UserError } from "../../../offline/lib/user-error.js";
import { takeLock } from "../../src/lock.js";

describe("the sandbox's lock", () => {
  let dir: string;
  beforeEach(() => (dir = mkdtempSync(join(tmpdir(), "lock-"))));
  afterEach(() => rmSync(dir, { recursive: true }));

  const hold = (holder: object): void => writeFileSync(join(dir, "lock"), JSON.stringify(holder));

  it("is refused while a living process holds it, naming the process", () => {
    const release = takeLock(dir, "up");
    assert.throws(
      () => takeLock(dir, "down"),
      (error) =>
        UserError.is(error) && error.message.startsWith(`The sandbox is in use: \`make up\` (process ${process.pid})`),
    );
    release();
    takeLock(dir, "down")();
    assert.equal(existsSync(join(dir, "lock")), false);
  });

  it("is taken over from a process that is gone", () => {
    const { pid } = spawnSync("true");
    hold({ pid, born: "1", host: hostname(), command: "up", since: "then" });
    takeLock(dir, "up")();
  });

  it("is taken over when another process has the pid by now", () => {
    hold({ pid: process.pid, born: "1", host: hostname(), command: "up", since: "then" });
    takeLock(dir, "up")();
  });

  it("is taken over when the file is damaged", () => {
    writeFileSync(join(dir, "lock"), '{"pid":');
    takeLock(dir, "up")();
  });

  it("is respected when it was taken on another machine, whose processes cannot be seen", () => {
    hold({ pid: 1, born: "1", host: "elsewhere", command: "up", since: "then" });
    assert.throws(
      () => takeLock(dir, "up"),
      new UserError(
        "The sandbox is in use: `make up` (process 1 on elsewhere) works on it since then. Wait until it ends, or stop it, " +
          `then run the command again. If there is no such machine any more, remove ${join(dir, "lock")}.`,
      ),
    );
  });
});
