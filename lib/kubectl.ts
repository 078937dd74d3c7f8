import { execFile } from "node:child_process";

/** There is no kubectl on this machine. */
export class KubectlMissing extends Error {
  constructor() {
    super("kubectl is not installed on this machine; install it in a version that fits the cluster's.");
  }
}

/** The words of kubectl with a context of the file that KUBECONFIG names. */
export const withContext = (context: string): string[] => ["kubectl", "--context", context];

/**
 * Asks a cluster, for at most ten seconds.
 *
 * @returns what kubectl prints
 * @throws KubectlMissing, or Error with the last line that it says
 */
export function kubectl(context: string, args: readonly string[], input = ""): Promise<string> {
  const [program = "", ...words] = [...withContext(context), ...args, "--request-timeout", "10s"];
  return new Promise((done, fail) => {
    const child = execFile(program, words, { maxBuffer: 16 * 1024 * 1024 }, (error, stdout, stderr) => {
      if (error === null) return done(stdout);
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return fail(new KubectlMissing());
      const said = stderr.trim();
      fail(new Error(said === "" ? error.message : said.split("\n").at(-1)));
    });
    // It may end without reading.
    child.stdin?.on("error", () => undefined);
    child.stdin?.end(input);
  });
}
