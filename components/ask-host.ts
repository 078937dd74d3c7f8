import { spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";

/** Milliseconds for what a shell that has ended printed last. */
const REST = 2_000;

/**
 * Runs a shell text on a host while the program runs, not as a resource.
 *
 * @param shell the command before the shell text, as {@link remoteShell} gives it
 * @returns what it printed
 * @throws Error with what it said
 */
export function askHost(shell: string, script: string): Promise<string> {
  return new Promise((done, fail) => {
    const child = spawn("sh", ["-c", `${shell} "$AUDIT_SCRIPT"`], {
      env: { ...process.env, AUDIT_SCRIPT: script },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let printed = "";
    let said = "";
    child.stdout.on("data", (chunk: Buffer) => (printed += chunk.toString()));
    child.stderr.on("data", (chunk: Buffer) => (said += chunk.toString()));
    child.on("error", fail);
    const whole = Promise.all([once(child.stdout, "end"), once(child.stderr, "end")]);
    child.on("exit", (code) => {
      // Not for ever: a shared ssh connection that was made for this may keep the pipes open.
      void Promise.race([whole, sleep(REST, undefined, { ref: false })]).then(() => {
        if (code === 0) done(printed);
        else fail(new Error(said.trim() || `exit code ${code}`));
      });
    });
  });
}
