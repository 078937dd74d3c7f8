import { spawn } from "node:child_process";

/**
 * Runs a shell line that reaches the VM. Its errors are ours.
 *
 * @param input standard input, the only way for something secret
 * @returns what it printed
 * @throws Error when it does not end well; `failure` says what that means
 */
export function runOnHost(line: string, input: string, failure: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn("sh", ["-c", line], { stdio: ["pipe", "pipe", "inherit"] });
    let output = "";
    child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
    child.on("error", reject);
    child.on("close", (code) =>
      code === 0
        ? resolve(output)
        : reject(new Error(`${failure}: the script on the VM ended with ${code ?? "a signal"}`)),
    );
    child.stdin.on("error", () => undefined);
    child.stdin.end(input);
  });
}
