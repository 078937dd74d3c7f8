import { spawn } from "node:child_process";

/**
 * Runs a shell line that reaches the VM. Its standard error is passed through.
 *
 * @param input standard input, the only way for something secret
 * @returns its output
 * @throws Error if it fails; `failure` says what that means
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
