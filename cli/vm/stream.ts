import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { CommandError } from "../errors";

/**
 * Runs a shell line and hands over each line of its output as it comes. Its standard input stays open until the signal
 * aborts, so that a script that waits for the input's end goes with this process.
 *
 * @param shell the command before the shell line, such as World.hostShell
 * @param where what is to blame if it fails, for people
 * @throws CommandError with what it printed on standard error, if it failed by itself
 */
export async function streamFromHost(
  { shell, where }: { shell: string; where: string },
  line: string,
  onLine: (line: string) => void,
  signal: AbortSignal,
): Promise<void> {
  // A group of its own: the script ends its group, and Ctrl-C reaches this process alone.
  const child = spawn("sh", ["-c", `${shell} "$AUDIT_SCRIPT"`], {
    env: { ...process.env, AUDIT_SCRIPT: line },
    stdio: ["pipe", "pipe", "pipe"],
    detached: true,
  });
  let stderr = "";
  child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
  child.stdin.on("error", () => undefined);
  const end = (): void => void child.stdin.end();
  signal.addEventListener("abort", end, { once: true });
  if (signal.aborted) end();
  const reader = createInterface({ input: child.stdout, crlfDelay: Infinity });
  reader.on("line", onLine);
  const closed = once(reader, "close");
  const [code] = (await once(child, "exit")) as [number | null];
  await closed;
  signal.removeEventListener("abort", end);
  if (code !== 0 && !signal.aborted) throw new CommandError(`${where}: ${stderr.trim() || `exit code ${code ?? "?"}`}`);
}
