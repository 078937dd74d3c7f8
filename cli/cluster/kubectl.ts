import { execFile } from "node:child_process";
import type { Values } from "../../config";
import { CommandError } from "../errors";

/** The words of kubectl with the stack's context. */
export const withContext = ({ kubeContext = "" }: Values): string[] => ["kubectl", "--context", kubeContext];

/** @returns what it prints @throws Error with the last line that it says otherwise */
export function runKubectl(values: Values, args: readonly string[], input = ""): Promise<string> {
  const [program = "", ...words] = [...withContext(values), ...args, "--request-timeout", "10s"];
  return new Promise((done, fail) => {
    const child = execFile(program, words, { maxBuffer: 16 * 1024 * 1024 }, (error, stdout, stderr) => {
      if (error === null) return done(stdout);
      if ((error as NodeJS.ErrnoException).code === "ENOENT")
        return fail(new CommandError("kubectl is not installed on this machine; install one of the cluster's version"));
      const said = stderr.trim();
      fail(new Error(said === "" ? error.message : said.split("\n").at(-1)));
    });
    // It may end without reading.
    child.stdin?.on("error", () => undefined);
    child.stdin?.end(input);
  });
}
