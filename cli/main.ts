import { runCli } from "./cli";
import { Interrupts } from "./interrupts";
import { missingTrust, runAgain } from "./trust";

/** Run by audit.mjs. @returns the exit code */
function main(): Promise<number> {
  const argv = process.argv.slice(2);
  const missing = missingTrust(argv, process.env, process.cwd());
  if (missing !== undefined) return runAgain(missing);
  const interrupts = new Interrupts();
  interrupts.listen();
  // The reader of a pipe has gone, as with `audit logs | head`: nobody reads what would follow.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => process.exit(error.code === "EPIPE" ? 0 : 1));
  // Nobody reads the notes any more, as with `audit rollback 2>&1 | head`: what is being done must still be done.
  process.stderr.on("error", () => undefined);
  const streams = {
    out: (text: string) => void process.stdout.write(text),
    err: (text: string) => void process.stderr.write(text),
    terminal: process.stdout.isTTY,
    // A terminal may be resized.
    get columns() {
      return process.stdout.columns;
    },
    get rows() {
      return process.stdout.rows;
    },
  };
  return runCli({ argv, env: process.env, cwd: process.cwd(), interrupts, streams });
}

void main().then((code) => {
  // A connection to a server that answers nothing, or a little now and then, would keep this process for as long.
  process.stdout.write("", () => process.stderr.write("", () => process.exit(code)));
});
