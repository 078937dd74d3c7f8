import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));

/** The project's root directory. */
export const rootDir = resolve(here, "../../..");
/** State of this checkout's sandbox; git-ignored. */
export const stateDir = join(rootDir, ".sandbox");
/** Recipes for the parts that are made from package registries alone. */
export const offlineDir = join(rootDir, "sandbox", "offline");

/**
 * Downloads and builds, keyed by their pins, shared by all checkouts of this user.
 * `SANDBOX_CACHE`, default `~/.cache/audit-sandbox`. Safe to delete at any time.
 */
export const cacheDir = (env: NodeJS.ProcessEnv = process.env): string =>
  resolve(env.SANDBOX_CACHE ?? join(homedir(), ".cache", "audit-sandbox"));

/** What a part's making wrote: one file per part, overwritten by the next making. */
export const logFile = (name: string): string => join(stateDir, "logs", `${name}.log`);
