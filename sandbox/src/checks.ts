import { execa } from "execa";
import { statfs } from "node:fs/promises";
import { connect } from "node:net";
import { busyPort, type Engine } from "./docker.js";
import type { Settings } from "./settings.js";
import { UserError } from "./user-error.js";

const gigabyte = 1024 ** 3;
/** Measured: images, VM2's disk and the build caches of one cold `make up` take about 6 GB; an `up` that is cached, little. */
const wanted = { cold: 8, warm: 1 };

/** What can be known to be missing before anything is begun. @throws UserError naming the first thing and its cure. */
export async function checkMachine(
  settings: Settings,
  cold: boolean,
  room: (path: string) => Promise<{ bavail: number; bsize: number }> = statfs,
): Promise<void> {
  const { bavail, bsize } = await room(settings.root);
  const free = (bavail * bsize) / gigabyte;
  const need = cold ? wanted.cold : wanted.warm;
  if (free < need) {
    throw new UserError(
      `Only ${free.toFixed(1)} GB are free on the disk of ${settings.root}; the sandbox needs ${need} GB. ` +
        `Free some space (for example \`docker system prune\`), then run the command again.`,
    );
  }
  for (const [tool, use, debian] of [
    ["ssh", "VM2 is reached by it", "openssh-client"],
    ["ssh-keygen", "VM2 is reached by its keys", "openssh-client"],
    ["openssl", "it makes the certificate of the sandbox's PostgreSQL", "openssl"],
  ] as const) {
    const { failed } = await execa("sh", ["-c", `command -v ${tool}`], { reject: false });
    if (failed) {
      throw new UserError(`\`${tool}\` is not installed; ${use}. Install it, on Debian: apt-get install ${debian}`);
    }
  }
}

/** @throws UserError when a program that is not the sandbox listens on a port the sandbox needs. */
export async function checkPorts(settings: Settings, engine: Engine): Promise<void> {
  const ours = new Set<number>();
  for (const info of (await engine.containers()).values()) {
    for (const port of info.Ports) if (port.PublicPort) ours.add(port.PublicPort);
  }
  for (const port of Object.values(settings.ports)) {
    if (!ours.has(port) && (await answers(port))) throw new UserError(busyPort(port));
  }
}

/** Connecting rather than listening: Docker's port forwarding may work without any listening process. */
function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: "127.0.0.1", port });
    const done = (result: boolean): void => {
      socket.destroy();
      resolve(result);
    };
    socket.setTimeout(1_000, () => done(false));
    socket.once("connect", () => done(true));
    socket.once("error", () => done(false));
  });
}
