import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { failure } from "../lib/failures.js";
import { cacheDir } from "../lib/paths.js";
import { attempt } from "../lib/run.js";
import { UserError } from "../lib/user-error.js";
import { versions } from "../lib/versions.js";

/** This machine's architecture as npm's packages call it. */
export function npmArch(): "x64" | "arm64" {
  if (process.arch === "x64" || process.arch === "arm64") return process.arch;
  throw new UserError(`The sandbox runs on x64 and arm64 only; this machine is ${process.arch}.`);
}

/** What is being fetched: images and the program's Node ask for the same package at the same time. */
const fetching = new Map<string, Promise<string>>();

/**
 * Fetches a package that `versions.json` pins by its integrity, through the machine's own npm client, and unpacks it.
 * @returns the directory of the unpacked package, in the cache
 */
export function npmPackage(name: "node" | "npm"): Promise<string> {
  const running = fetching.get(name) ?? fetchPackage(name).finally(() => fetching.delete(name));
  fetching.set(name, running);
  return running;
}

async function fetchPackage(name: "node" | "npm"): Promise<string> {
  const pin = versions().npm[name];
  if (pin === undefined) throw new Error(`versions.json has no npm package ${name}`);
  const arch = npmArch();
  const spec = `${pin.package.replace("{arch}", arch)}@${pin.version}`;
  const integrity = pin.integrity[arch] ?? pin.integrity.any;
  const dir = join(cacheDir(), "npm", spec);
  if (existsSync(dir)) return dir;
  mkdirSync(join(cacheDir(), "npm"), { recursive: true });
  const work = mkdtempSync(join(cacheDir(), "npm", "tmp-"));
  try {
    const packed = await attempt("npm", ["pack", spec, "--pack-destination", work], { cwd: work, timeout: 600_000 });
    if (!packed.ok) throw failure(`fetch the npm package ${spec}`, packed.all);
    const tarball = readdirSync(work).find((file) => file.endsWith(".tgz"));
    if (tarball === undefined) throw failure(`fetch the npm package ${spec}`, packed.all);
    const digest = `sha512-${createHash("sha512")
      .update(readFileSync(join(work, tarball)))
      .digest("base64")}`;
    if (digest !== integrity) {
      throw new UserError(
        `The npm package ${spec} is not the one that versions.json pins: expected ${integrity ?? "none"}, got ${digest}. ` +
          "Check the npm registry that this machine is set to use.",
      );
    }
    const unpacked = await attempt("tar", ["-xzf", join(work, tarball), "-C", work]);
    if (!unpacked.ok) throw failure(`unpack the npm package ${spec}`, unpacked.all);
    if (!existsSync(dir)) renameSync(join(work, "package"), dir);
    return dir;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}
