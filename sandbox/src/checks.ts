import { existsSync } from "node:fs";
import { stat, statfs } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { networkInterfaces } from "node:os";
import { dirname } from "node:path";
import { mayBecomeRoot, which } from "../../offline/lib/packages.js";
import { checkOwnDirs, cacheDir } from "../../offline/lib/paths.js";
import { UserError } from "../../offline/lib/user-error.js";
import { busyPort, type Engine } from "./docker.js";
import type { Found } from "./artifacts/engine.js";
import { networkName, type Settings } from "./settings.js";

const gigabyte = 1024 ** 3;

/** Measured GB, by place: what a first `make up` writes, and what one writes with cached downloads and builds. */
const DISK = { cold: { engine: 4.5, cache: 3, root: 0.5 }, warm: { engine: 0.5, cache: 0.25, root: 0.25 } };
/** GB: builds briefly need up to 3, the running sandbox about 1. */
const MEMORY = { cold: 3, warm: 1 };

/** What the checks read, as an interface, so that a test can replace the machine. */
export interface Machine {
  /** Device of a directory, and its free bytes. */
  room(path: string): Promise<{ device: number; free: number }>;
  /** Available memory, bytes. */
  memory(): number;
  root(): Promise<boolean>;
  /** IPv4 addresses of this machine, by interface. */
  addresses(): readonly { name: string; address: string }[];
}

export const thisMachine: Machine = {
  room: async (path) => {
    const { bavail, bsize } = await statfs(path);
    return { device: (await stat(path)).dev, free: bavail * bsize };
  },
  memory: () => process.availableMemory(),
  root: mayBecomeRoot,
  addresses: () =>
    Object.entries(networkInterfaces()).flatMap(([name, list]) =>
      (list ?? []).filter(({ family }) => family === "IPv4").map(({ address }) => ({ name, address })),
    ),
};

export interface Circumstances {
  settings: Settings;
  /** Whether nothing has been built or fetched for this work tree yet. */
  cold: boolean;
  /** The Docker Engine as it was found, nothing started yet. */
  found: Found;
  /** Undefined while none answers. */
  engine: Engine | undefined;
}

/**
 * Checks, in the first seconds, for everything that would make `make up` fail later.
 *
 * @throws UserError naming every problem and its cure
 */
export async function checkMachine(circumstances: Circumstances, machine: Machine = thisMachine): Promise<void> {
  const problems = (
    await Promise.all([
      Promise.resolve(directories()),
      disk(circumstances, machine),
      memory(circumstances, machine),
      programs(),
      rights(circumstances, machine),
      ports(circumstances),
      addressRange(circumstances, machine),
    ])
  ).flat();
  if (problems.length === 0) return;
  const [only] = problems;
  throw new UserError(
    problems.length === 1 && only !== undefined
      ? only
      : `${problems.length} problems were found; nothing was changed.${problems.map((problem) => `\n  - ${problem}`).join("")}`,
  );
}

const containers = async (engine: Engine | undefined) =>
  engine === undefined ? [] : [...(await engine.containers()).values()];

function directories(): string[] {
  try {
    checkOwnDirs();
    return [];
  } catch (error) {
    if (!UserError.is(error)) throw error;
    return [error.message];
  }
}

/** The nearest existing directory. */
const existing = (path: string): string => (existsSync(path) ? path : existing(dirname(path)));

async function disk({ settings, cold, found }: Circumstances, machine: Machine): Promise<string[]> {
  const need = cold ? DISK.cold : DISK.warm;
  const places = [
    { path: settings.root, gigabytes: need.root },
    { path: cacheDir(), gigabytes: need.cache },
    // An engine on another machine uses that machine's disk, which cannot be checked from here.
    ...(found.host.startsWith("unix:") ? [{ path: found.directory, gigabytes: need.engine }] : []),
  ];
  const disks = new Map<number, { path: string; free: number; need: number }>();
  for (const { path, gigabytes } of places) {
    const { device, free } = await machine.room(existing(path));
    const known = disks.get(device) ?? { path, free: free / gigabyte, need: 0 };
    disks.set(device, { ...known, need: known.need + gigabytes });
  }
  return [...disks.values()]
    .filter(({ free, need }) => free < need)
    .map(
      ({ path, free, need }) =>
        `Only ${free.toFixed(1)} GB are free on the disk of ${path}; the sandbox needs ${need} GB. ` +
        `Free some space (for example \`docker system prune\`), then run the command again.`,
    );
}

async function memory({ cold, engine }: Circumstances, machine: Machine): Promise<string[]> {
  const running = (await containers(engine)).some(({ State }) => State === "running");
  const need = cold ? MEMORY.cold : MEMORY.warm;
  const free = machine.memory() / gigabyte;
  // A running sandbox has its memory already.
  return running || free >= need
    ? []
    : [
        `Only ${free.toFixed(1)} GB of memory are free; the sandbox needs ${need} GB. ` +
          "End other programs, or add memory or swap, then run the command again.",
      ];
}

/** Required programs, what for, and their Debian packages. */
const PROGRAMS = [
  ["ssh", "the sandbox reaches VM2 with it", "openssh-client"],
  ["ssh-keygen", "the sandbox makes its keys for VM2 with it", "openssh-client"],
  ["openssl", "it makes the certificate of the sandbox's PostgreSQL", "openssl"],
] as const;

async function programs(): Promise<string[]> {
  const found = await Promise.all(PROGRAMS.map(([tool]) => which(tool)));
  return PROGRAMS.filter((_, index) => found[index] === undefined).map(
    ([tool, use, debian]) => `\`${tool}\` is not installed; ${use}. Install it, on Debian: apt-get install ${debian}`,
  );
}

async function rights({ found }: Circumstances, machine: Machine): Promise<string[]> {
  if (found.up) return [];
  if (found.refused) {
    return [
      "This user may not talk to the Docker Engine. Add the user to the group docker (`sudo usermod -aG docker $USER`, then log in again) or run as root.",
    ];
  }
  return (await machine.root())
    ? []
    : [
        "No Docker Engine answers, and this user may not start or install one. Start it (`sudo systemctl start docker`), " +
          "run `sudo -v` first, or run as root.",
      ];
}

async function ports({ settings, engine }: Circumstances): Promise<string[]> {
  const ours = new Set<number>();
  for (const { Ports } of await containers(engine)) {
    for (const port of Ports) if (port.PublicPort) ours.add(port.PublicPort);
  }
  const asked = Object.values(settings.ports).filter((port) => !ours.has(port));
  const busy = await Promise.all(asked.map(async (port) => ((await isTaken(port)) ? [port] : [])));
  return busy.flat().map(busyPort);
}

/**
 * Trying to listen detects a program that has bound the port; connecting detects Docker's forwarding, which may have no
 * listener.
 */
async function isTaken(port: number): Promise<boolean> {
  return !(await listens(port)) || answers(port);
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen({ port, host: "127.0.0.1", exclusive: true }, () => server.close(() => resolve(true)));
  });
}

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

async function addressRange({ settings, engine }: Circumstances, machine: Machine): Promise<string[]> {
  const range = `${settings.subnetPrefix}.0/24`;
  const choose = "Choose another range, for example SANDBOX_SUBNET=10.214.18 make up.";
  const networks = (await engine?.networks()) ?? [];
  const own = networks.find(({ name }) => name === networkName);
  if (own !== undefined) {
    if (own.subnets.includes(range)) return [];
    return [
      `The network ${networkName} exists with the range ${own.subnets.join(", ") || "(none)"}, but SANDBOX_SUBNET asks for ${range}. ` +
        "Run `make down`, then `make up`.",
    ];
  }
  const other = networks.find(({ subnets }) => subnets.some((subnet) => overlap(subnet, range)));
  if (other !== undefined)
    return [`The address range ${range} is taken by the Docker network ${other.name}. ${choose}`];
  const near = machine.addresses().find(({ address }) => overlap(`${address}/32`, range));
  return near === undefined
    ? []
    : [`The address range ${range} is taken: this machine's interface ${near.name} has ${near.address}. ${choose}`];
}

/** Whether two IPv4 ranges share addresses. */
export function overlap(one: string, other: string): boolean {
  const [a, b] = [one, other].map((range) => {
    const [address = "", bits = "32"] = range.split("/");
    return { bits: Number(bits), first: address.split(".").reduce((sum, octet) => sum * 256 + Number(octet), 0) };
  });
  if (a === undefined || b === undefined || one.includes(":") || other.includes(":")) return false;
  const size = 2 ** (32 - Math.min(a.bits, b.bits));
  return Math.floor(a.first / size) === Math.floor(b.first / size);
}
