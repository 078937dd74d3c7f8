import { spawnSync } from "node:child_process";
import { scriptWords } from "../../../components/host/script-file";

/**
 * Runs a script of components/host by `sh` in a directory: programs in it take precedence, and it replaces `/tmp`.
 */
export function runScript(
  file: string,
  args: readonly (string | number)[],
  { directory, environment, input }: { directory: string; environment?: Record<string, string>; input?: string },
): { status: number | null; stdout: string; stderr: string } {
  const [program = "", ...words] = scriptWords(file, args);
  const { status, stdout, stderr } = spawnSync(program, words, {
    cwd: directory,
    env: {
      ...process.env,
      PATH: `${directory}:${process.env.PATH ?? ""}`,
      TMPDIR: directory,
      HOME: directory,
      ...environment,
    },
    input,
    encoding: "utf8",
    timeout: 30_000,
  });
  return { status, stdout, stderr };
}
