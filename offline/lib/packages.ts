import { existsSync } from "node:fs";
import { join } from "node:path";
import { stateDir } from "./paths.js";
import { attempt, runLogged, type Progress } from "./run.js";
import { UserError } from "./user-error.js";

/** The full path of a program, or undefined. */
export async function which(program: string): Promise<string | undefined> {
  const path = `${process.env.PATH ?? ""}:/usr/local/sbin:/usr/sbin:/sbin`;
  // After `eval "$(make -s env)"` the sandbox's own links come first in PATH; skip them, or a new link would point to
  // itself.
  const links = join(stateDir, "bin");
  for (const dir of path.split(":").filter((part) => part !== "" && part !== links)) {
    const candidate = `${dir}/${program}`;
    if (existsSync(candidate) && (await attempt("test", ["-x", candidate])).ok) return candidate;
  }
  return undefined;
}

/** Whether this user is root, or can become root with `sudo` without a password. */
export async function mayBecomeRoot(): Promise<boolean> {
  if (process.getuid?.() === 0) return true;
  return (await which("sudo")) !== undefined && (await attempt("sudo", ["-n", "true"], { timeout: 10_000 })).ok;
}

/** Words to put before a command that needs root: none for root, `sudo -n` if that works. */
export async function asRoot(why: string): Promise<string[]> {
  if (process.getuid?.() === 0) return [];
  if (await mayBecomeRoot()) return ["sudo", "-n"];
  throw new UserError(
    `${why} needs root's rights, and this user has neither them nor sudo without a password. ` +
      "Run `sudo -v` first, run as root, or install it by hand.",
  );
}

/**
 * Installs Debian packages on this machine.
 * @param why the artifact they are for, for messages
 * @throws UserError on a machine without apt, without the rights, or if the installation fails
 */
export async function installPackages(packages: readonly string[], why: string, progress: Progress): Promise<void> {
  const apt = await which("apt-get");
  if (apt === undefined) {
    throw new UserError(
      `${why} is missing, and this machine has no apt-get to install it with. Install it by hand: ${packages.join(", ")}.`,
    );
  }
  const root = await asRoot(`Installing ${why} (${packages.join(", ")})`);
  const [file = apt, ...prefix] = [...root, "env", "DEBIAN_FRONTEND=noninteractive", apt];
  const what = `install ${packages.join(", ")}`;
  progress(`installing ${packages.join(", ")} from this machine's Debian packages`);
  const install = (append: boolean): Promise<void> =>
    runLogged(
      what,
      "apt",
      file,
      [...prefix, "-o", "DPkg::Lock::Timeout=60", "install", "-y", "--no-install-recommends", ...packages],
      { append },
    );
  try {
    await install(false);
  } catch {
    // The package lists may be old or missing.
    await runLogged("refresh the package lists", "apt", file, [...prefix, "-o", "DPkg::Lock::Timeout=60", "update"], {
      append: true,
    });
    await install(true);
  }
}
