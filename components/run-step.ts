import { execFile } from "node:child_process";
import { stepWords, type Step } from "./step-command";

/**
 * Runs a step while the program runs, to ask for something that the program itself needs. It is a separate process
 * because Node reads trusted authorities and proxies from the environment only when it starts.
 *
 * @returns what it prints
 * @throws Error with what it says on its standard error
 */
export function runStep(step: Step, environment: Readonly<Record<string, string>>, input = ""): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = execFile(
      process.execPath,
      stepWords(step),
      { env: { ...process.env, ...environment } },
      (error, stdout, stderr) => (error ? reject(new Error(stderr.trim() || error.message)) : resolve(stdout)),
    );
    child.stdin?.end(input);
  });
}
