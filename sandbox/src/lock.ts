import { linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { UserError } from "../../offline/lib/user-error.js";

interface Holder {
  pid: number;
  /** Start time of the process in clock ticks, to detect that another process has its pid by now. */
  born: string;
  host: string;
  command: string;
  since: string;
}

/**
 * Allows only one command at a time to work on the sandbox. A lock whose process is gone (killed, power cut) is taken
 * over.
 * @returns a function that releases the lock.
 * @throws UserError naming the process that holds it.
 */
export function takeLock(stateDir: string, command: string): () => void {
  mkdirSync(stateDir, { recursive: true, mode: 0o700 });
  const path = join(stateDir, "lock");
  const mine: Holder = {
    pid: process.pid,
    born: birth(process.pid) ?? "",
    host: hostname(),
    command,
    since: new Date().toISOString(),
  };
  for (let attempt = 0; attempt < 3; attempt++) {
    // Written to a temporary file and linked into place, so that nobody reads a partial lock.
    const draft = `${path}.${process.pid}`;
    writeFileSync(draft, JSON.stringify(mine), { mode: 0o600 });
    try {
      linkSync(draft, path);
      const release = (): void => {
        if (readHolder(path)?.pid === process.pid) rmSync(path, { force: true });
      };
      process.once("exit", release);
      return release;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    } finally {
      rmSync(draft, { force: true });
    }
    const holder = readHolder(path);
    if (holder && isAlive(holder)) {
      const here = holder.host === hostname();
      throw new UserError(
        `The sandbox is in use: \`make ${holder.command}\` (process ${holder.pid}${here ? "" : ` on ${holder.host}`}) ` +
          `works on it since ${holder.since}. Wait until it ends, or stop it, then run the command again.` +
          // A container that was removed, or this machine under its former name.
          (here ? "" : ` If there is no such machine any more, remove ${path}.`),
      );
    }
    rmSync(path, { force: true });
  }
  throw new UserError(`The lock ${path} could not be taken. Remove the file if no other command works on the sandbox.`);
}

function readHolder(path: string): Holder | undefined {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as Holder;
  } catch {
    return undefined; // gone in the meantime, or damaged: nobody's
  }
}

function isAlive(holder: Holder): boolean {
  // A checkout shared between machines: the other machine's processes cannot be checked from here.
  if (holder.host !== hostname()) return true;
  try {
    process.kill(holder.pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return false;
  }
  const now = birth(holder.pid);
  return now === undefined || holder.born === "" || now === holder.born;
}

/** Field 22 of /proc/PID/stat (proc(5)); undefined where there is no /proc. */
function birth(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
  } catch {
    return undefined;
  }
}
