import { spawn } from "node:child_process";

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
    // `exit`, not `close`: a shared ssh connection that was made for this may keep the pipes open.
    child.on("exit", (code) =>
      setImmediate(() => {
        if (code === 0) done(printed);
        else fail(new Error(said.trim() || `exit code ${code}`));
      }),
    );
  });
}
