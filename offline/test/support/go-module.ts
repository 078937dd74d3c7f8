import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { which } from "../../lib/packages.js";
import { cacheDir } from "../../lib/paths.js";
import { versions } from "../../lib/versions.js";

const run = promisify(execFile);

/**
 * Directory of a pinned Go module's sources, in the module cache: by the machine's own go command or, where there is none, by that of
 * the sandbox's image for builds.
 *
 * @throws Error if it is not pinned, cannot be had, or has another checksum
 */
export async function goModule(path: string): Promise<string> {
  const pin = versions().goModules[path];
  if (pin === undefined) throw new Error(`versions.json does not pin the Go module ${path}.`);
  const args = ["mod", "download", "-json", `${path}@${pin.version}`];
  const { Dir, Sum } = (await which("go")) === undefined ? await inContainer(args) : await here(args);
  if (Sum !== pin.sum) throw new Error(`The Go module ${path}@${pin.version} has the checksum ${Sum}, not ${pin.sum}.`);
  return Dir;
}

interface Download {
  Dir: string;
  Sum: string;
}

async function here(args: readonly string[]): Promise<Download> {
  // Away from any go.mod of the caller's, which would bring its own rules.
  const cwd = mkdtempSync(join(tmpdir(), "go-module-"));
  try {
    return JSON.parse((await run("go", args, { cwd })).stdout) as Download;
  } finally {
    rmSync(cwd, { recursive: true });
  }
}

async function inContainer(args: readonly string[]): Promise<Download> {
  const { stdout } = await run("docker", ["image", "ls", "--quiet", "audit-sandbox/go-builder"]);
  const image = stdout.split("\n")[0] ?? "";
  if (image === "") throw new Error("There is no go command, and no image audit-sandbox/go-builder: install Go 1.21.");
  const cache = join(cacheDir(), "go", "shared");
  mkdirSync(cache, { recursive: true });
  const user = `${process.getuid?.() ?? 0}:${process.getgid?.() ?? 0}`;
  const settings = ["HOME=/go", "GOPATH=/go", "GOPROXY", "GOSUMDB", "http_proxy", "https_proxy", "no_proxy"];
  const made = await run("docker", [
    ...["run", "--rm", "--user", user, "--volume", `${cache}:/go`, "--workdir", "/go"],
    ...settings.filter((key) => key.includes("=") || process.env[key] !== undefined).flatMap((key) => ["--env", key]),
    ...[image, "go", ...args],
  ]);
  const { Dir, Sum } = JSON.parse(made.stdout) as Download;
  return { Dir: Dir.replace(/^\/go\//, `${cache}/`), Sum };
}
