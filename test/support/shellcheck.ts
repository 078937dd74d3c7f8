import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { join, relative, resolve } from "node:path";

/**
 * Runs ShellCheck on every `*.sh` of the project; .shellcheckrc has the common settings. If it is missing, Debian's
 * package is installed.
 */

const root = resolve(__dirname, "../..");

/** Generated or third-party directories. */
const LEFT_OUT = new Set(["node_modules", "build", "dist", ".git", ".sandbox", ".cache", ".gitlab-ci-local"]);

function scriptsIn(directory: string): string[] {
  return readdirSync(directory, { withFileTypes: true }).flatMap((entry) => {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) return LEFT_OUT.has(entry.name) ? [] : scriptsIn(path);
    return entry.isFile() && entry.name.endsWith(".sh") ? [relative(root, path)] : [];
  });
}

async function main(): Promise<void> {
  const { installPackages, which } = await import("../../offline/testing.js");
  if ((await which("shellcheck")) === undefined) await installPackages(["shellcheck"], "ShellCheck", console.error);
  const scripts = scriptsIn(root).sort();
  const { status, error } = spawnSync("shellcheck", scripts, { cwd: root, stdio: "inherit" });
  if (error !== undefined) throw error;
  process.exitCode = status ?? 1;
}

main().catch((error: unknown) => {
  console.error(error instanceof Error ? `Error: ${error.message}` : error);
  process.exitCode = 1;
});
