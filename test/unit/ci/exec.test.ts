import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { ROOT } from "../../../ci/lib/exec";

/** Runs a command that puts away what it holds when it is interrupted, and says so. */
const PROGRAM = `
  const { exec } = require("./ci/lib/exec");
  const command = "trap 'echo released; exit 3' INT; echo began; while :; do sleep 0.1; done";
  void exec("sh", ["-c", command], { echo: console.log }).then(({ code }) => process.exit(code));
`;

describe("a command that a job or audit runs", function () {
  this.timeout(20_000);

  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
    it(`is interrupted by ${signal}, and waited for`, async () => {
      const caller = spawn(process.execPath, ["--import", "tsx", "-e", PROGRAM], {
        cwd: ROOT,
        stdio: ["ignore", "pipe", "inherit"],
      });
      let said = "";
      caller.stdout.on("data", (text: Buffer) => {
        if (said === "") caller.kill(signal);
        said += text.toString();
      });
      const [code] = (await once(caller, "close")) as [number | null];
      assert.deepEqual([said, code], ["began\nreleased\n", 3]);
    });
});
