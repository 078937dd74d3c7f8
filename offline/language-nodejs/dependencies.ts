import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";

export interface Dependency {
  readonly name: string;
  readonly version: string;
}

interface Lockfile {
  packages?: Record<string, { version?: string; link?: boolean; dependencies?: object; devDependencies?: object }>;
}

/** The directory that npm installs from: the nearest one upwards whose lockfile covers the program. */
function workspaceRoot(directory: string): string {
  for (let at = directory; ; at = dirname(at)) {
    if (existsSync(join(at, "package-lock.json"))) return at;
    if (at === dirname(at)) return directory;
  }
}

/**
 * Runs `npm ci`, or `npm install` where there is no lockfile.
 *
 * @throws Error if npm cannot be started or fails, after its output was written
 */
export async function installDependencies(
  directory: string,
  write: (stream: "stdout" | "stderr", data: Buffer | string) => void,
  signal: AbortSignal,
): Promise<void> {
  const root = workspaceRoot(directory);
  const command = existsSync(join(root, "package-lock.json")) ? "ci" : "install";
  write("stdout", `Installing dependencies...\n\n`);
  await new Promise<void>((resolve, reject) => {
    const child = spawn("npm", [command, "--loglevel=error"], { cwd: root, signal, stdio: ["ignore", "pipe", "pipe"] });
    child.stdout.on("data", (data: Buffer) => {
      write("stdout", data);
    });
    child.stderr.on("data", (data: Buffer) => {
      write("stderr", data);
    });
    child.once("error", (error) => {
      reject(new Error(`could not run npm ${command} in ${root}: ${error.message}`));
    });
    child.once("close", (code) => {
      if (code === 0) resolve();
      else reject(new Error(`npm ${command} in ${root} exited with code ${code ?? "unknown"}`));
    });
  });
  write("stdout", "Finished installing dependencies\n\n");
}

/**
 * The program's direct dependencies, or everything that is installed, from npm's lockfile.
 *
 * @throws Error if there is no readable lockfile
 */
export async function programDependencies(directory: string, transitive: boolean): Promise<Dependency[]> {
  const root = workspaceRoot(directory);
  const path = join(root, "package-lock.json");
  let packages: Lockfile["packages"];
  try {
    packages = (JSON.parse(await readFile(path, "utf8")) as Lockfile).packages;
  } catch (error) {
    throw new Error(`failed to get node dependencies from ${path}: run npm install first`, { cause: error });
  }
  const own = packages?.[""];
  const direct = new Set(Object.keys({ ...own?.dependencies, ...own?.devDependencies }));
  const result = new Map<string, Dependency>();
  for (const [location, entry] of Object.entries(packages ?? {})) {
    const at = location.lastIndexOf("node_modules/");
    if (at < 0 || entry.link || entry.version === undefined) continue;
    const name = location.slice(at + "node_modules/".length);
    if (!transitive && !(at === 0 && direct.has(name))) continue;
    result.set(`${name}@${entry.version}`, { name, version: entry.version });
  }
  return [...result.values()];
}
