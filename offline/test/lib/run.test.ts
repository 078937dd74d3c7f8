import assert from "node:assert/strict";
import { rmSync, symlinkSync } from "node:fs";
import { logFile } from "../../lib/paths.js";
import { openLog, runLogged } from "../../lib/run.js";
import { UserError } from "../../lib/user-error.js";

describe("a command whose log cannot be written, as on a full disk", () => {
  const log = logFile("full");
  const lines = (code: number): string[] => ["-c", `yes "a line" | head -n 50000; echo the last; exit ${code}`];
  before(async () => {
    await new Promise<void>((resolve) => openLog(log).end(resolve));
    rmSync(log);
    symlinkSync("/dev/full", log);
  });
  after(() => rmSync(log));

  it("still runs to its end", () => runLogged("do it", "full", "sh", lines(0)));

  it("is told of by its own last lines when it fails", async () => {
    await assert.rejects(runLogged("do it", "full", "sh", lines(3)), (error) => {
      assert.ok(UserError.is(error));
      return /^Could not do it\. The last lines were:\n(?: {2}a line\n)+ {2}the last\nThe whole output: /.test(
        error.message,
      );
    });
  });
});
