import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync, statfsSync, utimesSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { explain, failure } from "./failures.js";
import { cacheDir } from "./paths.js";
import { attempt, runLogged } from "./run.js";
import { UserError } from "./user-error.js";

/**
 * True if the engine has the image.
 * @throws UserError if the engine cannot be queried
 */
export async function hasImage(ref: string): Promise<boolean> {
  const result = await attempt("docker", ["image", "inspect", "--format", "{{.Id}}", ref]);
  if (result.ok) return true;
  if (/no such image/i.test(result.all)) return false;
  throw failure("ask the Docker Engine for its images", result.all);
}

export async function tagImage(from: string, to: string): Promise<void> {
  const result = await attempt("docker", ["tag", from, to]);
  if (!result.ok) throw failure(`tag the image ${to}`, result.all);
}

export async function pullImage(ref: string): Promise<{ ok: boolean; output: string }> {
  const result = await attempt("docker", ["pull", "--quiet", ref], { timeout: 15 * 60_000 });
  return { ok: result.ok, output: result.all };
}

/** The variables with this machine's proxies that are set, in both spellings: programs differ in which they read. */
export const proxyVariables = (env: NodeJS.ProcessEnv): string[] =>
  ["http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"].filter(
    (name) => env[name] !== undefined,
  );

/** Proxies reach `RUN` lines through the predefined build arguments, which leave no trace in the image. */
function proxyArgs(env: NodeJS.ProcessEnv): string[] {
  // Passed without a value: docker reads it from its environment, so that a password in it is not in the process list.
  return proxyVariables(env).flatMap((name) => ["--build-arg", name]);
}

/**
 * Builds with the classic builder: BuildKit needs the buildx plugin with today's clients, which Debian's packages leave out,
 * and its frontend image with any `# syntax` line.
 */
export async function buildImage(
  name: string,
  ref: string,
  context: string,
  buildArgs: Readonly<Record<string, string>>,
): Promise<void> {
  const args = Object.entries(buildArgs).flatMap(([key, value]) => ["--build-arg", `${key}=${value}`]);
  await runLogged(
    `build the image ${name}`,
    `image-${name}`,
    "docker",
    ["build", "--force-rm", "--tag", ref, ...args, ...proxyArgs(process.env), context],
    { env: { DOCKER_BUILDKIT: "0" } },
  );
}

/**
 * Lets all users read a build context, and run its programs: an image keeps the modes, its users are not those of this
 * machine, and a checkout or a build under a strict umask is its owner's alone.
 */
export async function openContext(context: string): Promise<void> {
  const result = await attempt("chmod", ["-R", "u=rwX,go=rX", context]);
  if (!result.ok) throw failure(`set the modes of the build context ${context}`, result.all);
}

/** Free space under a directory, in bytes. */
export const freeBytes = (dir: string): number => {
  const stat = statfsSync(dir);
  return stat.bavail * stat.bsize;
};

/** @throws UserError if less than `needed` bytes are free for the cache */
export function checkRoom(needed: number, env: NodeJS.ProcessEnv = process.env): void {
  const dir = cacheDir(env);
  mkdirSync(dir, { recursive: true });
  const free = freeBytes(dir);
  if (free >= needed) return;
  const gigabytes = (bytes: number): string => (bytes / 1e9).toFixed(1);
  throw new UserError(
    `Not enough disk space for the sandbox: ${gigabytes(free)} GB are free where ${dir} lies, ${gigabytes(needed)} GB are needed. ` +
      "Free some space, or set SANDBOX_CACHE to a directory on another disk.",
  );
}

const archive = (ref: string): string =>
  join(cacheDir(), "images", `${ref.replace(/^audit-sandbox\//, "").replaceAll(/[:/]/g, "_")}.tar`);

/** Loads an image from the cache; false if it is not there or cannot be read. */
export async function restoreImage(ref: string): Promise<boolean> {
  const path = archive(ref);
  if (!existsSync(path)) return false;
  const result = await attempt("docker", ["load", "--quiet", "--input", path]);
  if (result.ok && (await hasImage(ref))) {
    utimesSync(path, new Date(), new Date());
    return true;
  }
  // Delete an archive that is damaged, but keep it if only the engine has a problem.
  const known = explain(result.all);
  if (known !== undefined) throw failure(`load the image ${ref} from the cache`, result.all);
  if (/unexpected EOF|invalid|archive|manifest/i.test(result.all)) rmSync(path, { force: true });
  return false;
}

/**
 * Saves an image in the cache, so that it survives a loss of the engine's data. A failure here does not fail the
 * artifact.
 */
export async function keepImage(ref: string): Promise<void> {
  const path = archive(ref);
  if (existsSync(path)) return;
  mkdirSync(join(cacheDir(), "images"), { recursive: true });
  const temporary = `${path}.${process.pid}.tmp`;
  const result = await attempt("docker", ["save", "--output", temporary, ref]);
  if (!result.ok) {
    rmSync(temporary, { force: true });
    return;
  }
  renameSync(temporary, path);
  dropOldArchives(path);
}

/** Days after which an archive of another build of the same image is removed from the cache. */
const keepDays = 14;

function dropOldArchives(current: string): void {
  const dir = dirname(current);
  const sameImage = basename(current).replace(/_.*$/, "_");
  for (const file of readdirSync(dir).filter((name) => name.startsWith(sameImage))) {
    const path = join(dir, file);
    const age = Date.now() - statSync(path).mtimeMs;
    if (path !== current && age > keepDays * 24 * 3600_000) rmSync(path, { force: true });
  }
  // Left behind by runs that were killed while writing: ours end in .tmp, docker's begin with .docker_temp_.
  for (const file of readdirSync(dir).filter((name) => /\.tmp$|^\.docker_temp_/.test(name))) {
    const path = join(dir, file);
    if (Date.now() - statSync(path).mtimeMs > 3600_000) rmSync(path, { force: true });
  }
}

/** Imports a root file system as an image. */
export async function importImage(name: string, tar: string, ref: string): Promise<void> {
  const result = await attempt("docker", ["import", "--change", 'CMD ["bash"]', tar, ref]);
  if (!result.ok) throw failure(`import the image ${name}`, result.all);
}

/** Copies one file out of an image, without running it. */
export async function copyFromImage(ref: string, path: string, to: string): Promise<void> {
  const created = await attempt("docker", ["create", ref]);
  if (!created.ok) throw failure(`take ${path} from ${ref}`, created.all);
  const id = created.stdout.trim();
  try {
    const result = await attempt("docker", ["cp", `${id}:${path}`, to]);
    if (!result.ok) throw failure(`take ${path} from ${ref}`, result.all);
  } finally {
    await attempt("docker", ["rm", "--force", id]);
  }
}
