import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { UserError } from "../../offline/lib/user-error.js";

/** The sandbox's directories, ports and addresses. */
export interface Settings {
  /** The project's root directory. */
  readonly root: string;
  /** State of this checkout's sandbox: keys, generated secrets, PULUMI_HOME. Never committed. */
  readonly stateDir: string;
  /** Ten characters that distinguish this checkout's sandbox from others on the same machine. */
  readonly checkout: string;
  /** Ports on 127.0.0.1, for the operator. */
  readonly ports: Readonly<Record<PortName, number>>;
  /** More of them, taken by the cluster alone. */
  readonly clusterPorts: Readonly<Record<ClusterPortName, number>>;
  /** First three octets of the platform network, a /24. */
  readonly subnetPrefix: string;
}

export type PortName = "edge" | "edgeTls" | "ssh" | "postgres" | "vault" | "registry" | "prometheus" | "grafana";

const portOffsets: Record<PortName, number> = {
  edge: 80,
  edgeTls: 43,
  ssh: 22,
  postgres: 32,
  vault: 20,
  registry: 50,
  prometheus: 90,
  grafana: 30,
};

export type ClusterPortName = "api" | `edge${NodeNumber}` | `edgeTls${NodeNumber}`;
type NodeNumber = 1 | 2 | 3;

const clusterPortOffsets: Record<ClusterPortName, number> = {
  api: 64,
  edge1: 81,
  edge2: 82,
  edge3: 83,
  edgeTls1: 44,
  edgeTls2: 45,
  edgeTls3: 46,
};

/** Last octet of each service's address; fixed, so that rules in Vault and Prometheus can refer to the VM. */
export const addresses = {
  ...{ postgres: 10, vault: 11, registry: 12, prometheus: 13, grafana: 14, vm2: 20 },
  ...{ node1: 31, node2: 32, node3: 33 },
} as const;
export type PlatformService = keyof typeof addresses;

const root = resolve(dirname(fileURLToPath(import.meta.url)), "../..");
const stateDir = join(root, ".sandbox");

/** Where a sandbox is, by the variables that say so. */
export interface Place {
  readonly name: string | undefined;
  readonly portBase: string | undefined;
  readonly subnet: string | undefined;
}

/** Where the last `up` put this work tree's sandbox, so that a new shell finds the same one; name.ts writes the file. */
export function rememberedPlace(directory = stateDir): Place {
  const file = join(directory, "name");
  const [name, portBase, subnet] = existsSync(file) ? readFileSync(file, "utf8").split("\n").filter(Boolean) : [];
  return { name, portBase, subnet };
}

/**
 * Names everything of this sandbox on the Docker Engine. `SANDBOX_NAME`, default that of the last `up`, and at first
 * `audit-sandbox`: a second work tree can have its own sandbox beside the first, with its own SANDBOX_PORT_BASE and
 * SANDBOX_SUBNET.
 */
export const sandboxName = process.env.SANDBOX_NAME ?? rememberedPlace().name ?? "audit-sandbox";

export const networkName = sandboxName;

/** The name by which services find each other; it has dots, because a nested Docker does not forward single labels. */
export const hostName = (service: PlatformService): string => `${service}.sandbox.test`;
export const containerName = (service: PlatformService): string => `${sandboxName}-${service}`;

/**
 * Reads the settings from the environment.
 * `SANDBOX_PORT_BASE` (at first 18000): the ports are that plus 80, 43, 22, 32, 20, 50, 90, 30; the cluster's plus 64, 81–83, 44–46.
 * `SANDBOX_SUBNET` (at first `10.213.18`): first three octets of the platform network.
 * @param last where the sandbox was put last; it counts where the environment says nothing
 * @throws UserError naming the variable if a value is invalid.
 */
export function readSettings(env: NodeJS.ProcessEnv = process.env, last: Partial<Place> = {}): Settings {
  const base = env.SANDBOX_PORT_BASE ?? last.portBase ?? "18000";
  if (!/^\d+$/.test(base) || Number(base) < 1024 || Number(base) > 65400) {
    throw new UserError(
      `SANDBOX_PORT_BASE=${base} is not a usable port base. Give a whole number from 1024 to 65400, for example 28000.`,
    );
  }
  if (!/^[a-z][a-z0-9-]{0,30}$/.test(sandboxName)) {
    throw new UserError(
      `SANDBOX_NAME=${sandboxName} cannot be a name. Give 1 to 31 small letters, digits and hyphens, a letter first.`,
    );
  }
  if (["bridge", "default", "host", "none"].includes(sandboxName)) {
    throw new UserError(
      `SANDBOX_NAME=${sandboxName} is the name of a network that Docker has by itself. Give another, for example audit-${sandboxName}.`,
    );
  }
  const subnetPrefix = env.SANDBOX_SUBNET ?? last.subnet ?? "10.213.18";
  const octets = subnetPrefix.split(".");
  if (octets.length !== 3 || octets.some((octet) => !/^\d{1,3}$/.test(octet) || Number(octet) > 255)) {
    throw new UserError(
      `SANDBOX_SUBNET=${subnetPrefix} is not the first three octets of an address range. Give for example 10.213.18.`,
    );
  }
  const fromBase = <N extends string>(offsets: Record<N, number>): Record<N, number> =>
    Object.fromEntries(
      Object.entries<number>(offsets).map(([name, offset]) => [name, Number(base) + offset]),
    ) as Record<N, number>;
  return {
    root,
    stateDir,
    checkout: createHash("sha256").update(root).digest("hex").slice(0, 10),
    ports: fromBase(portOffsets),
    clusterPorts: fromBase(clusterPortOffsets),
    subnetPrefix,
  };
}

/** The fixed address of a service within the platform network. */
export const addressOf = (settings: Settings, service: PlatformService): string =>
  `${settings.subnetPrefix}.${addresses[service]}`;
