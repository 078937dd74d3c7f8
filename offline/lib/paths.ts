import { accessSync, constants, existsSync, mkdirSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { UserError } from "./user-error.js";

const here = dirname(fileURLToPath(import.meta.url));

/** The project's root directory. */
export const rootDir = resolve(here, "../..");
/** State of this checkout's sandbox; git-ignored. */
export const stateDir = join(rootDir, ".sandbox");
/** This workspace: recipes for the artifacts that are built from package registries alone. */
export const offlineDir = resolve(here, "..");

/**
 * Downloads and builds, keyed by their pins, shared by all checkouts of this user.
 * `SANDBOX_CACHE`, default `~/.cache/audit-sandbox`. Safe to delete at any time.
 */
export function cacheDir({ SANDBOX_CACHE: given = "" }: NodeJS.ProcessEnv = process.env): string {
  return resolve(given === "" ? join(homedir(), ".cache", "audit-sandbox") : given);
}

/** Log of an artifact's build: one file per artifact, overwritten by the next build. */
export const logFile = (name: string): string => join(stateDir, "logs", `${name}.log`);

/**
 * Checks that the state directory and the cache are writable, which they may not be after a run as another user (`sudo
 * make up`).
 * @throws UserError naming the directory and the cure
 */
export function checkOwnDirs(dirs: readonly string[] = [stateDir, cacheDir()]): void {
  for (const dir of dirs) {
    try {
      mkdirSync(dir, { recursive: true, mode: 0o700 });
      accessSync(dir, constants.W_OK | constants.X_OK);
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? "unknown error";
      const owner = existsSync(dir)
        ? ` It belongs to user ${statSync(dir).uid}; this is user ${process.getuid?.() ?? "?"}.`
        : "";
      throw new UserError(
        `${dir} cannot be written (${code}).${owner} Give it to this user (\`sudo chown -R $USER ${dir}\`), or remove it.`,
      );
    }
  }
}
