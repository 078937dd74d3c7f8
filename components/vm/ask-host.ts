import { spawn, type ChildProcessByStdio } from "node:child_process";
import { once } from "node:events";
import type { Readable, Writable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";

/** Milliseconds without output after which nothing more is expected from a process that has ended. */
const REST = 2_000;

/**
 * Waits until a program has ended and its output has been read. The one does not imply the other.
 *
 * @param rest milliseconds without output after which waiting stops; a shared ssh connection opened by the program
 * could keep the pipes open forever
 * @returns its exit code, or 1 if a signal ended it
 * @throws Error if it could not be started
 */
export async function endOf(
  child: ChildProcessByStdio<Writable | null, Readable, Readable>,
  rest: number,
): Promise<number> {
  const whole = Promise.all([once(child.stdout, "end"), once(child.stderr, "end")]);
  let heard = false;
  for (const stream of [child.stdout, child.stderr]) stream.on("data", () => (heard = true));
  const silence = async () => {
    do {
      heard = false;
      await sleep(rest, undefined, { ref: false });
      // On a busy machine the timer may fire before pending output has been read.
      await new Promise((looked) => setImmediate(looked));
    } while (heard);
  };
  const [code] = (await once(child, "exit")) as [number | null];
  await Promise.race([whole, silence()]);
  return code ?? 1;
}

/**
 * Runs a shell text on a host immediately, not as a resource.
 *
 * @param shell the command before the shell text, as `remoteShell` gives it
 * @returns what it printed
 * @throws Error with the script's standard error
 */
export async function askHost(shell: string, script: string): Promise<string> {
  const child = spawn("sh", ["-c", `${shell} "$AUDIT_SCRIPT"`], {
    env: { ...process.env, AUDIT_SCRIPT: script },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
  const code = await endOf(child, REST);
  if (code !== 0) throw new Error(stderr.trim() || `exit code ${code}`);
  return stdout;
}
