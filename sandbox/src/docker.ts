import { createHash } from "node:crypto";
import { text } from "node:stream/consumers";
import Docker from "dockerode";
import { pack } from "tar-stream";
import { UserError } from "../../offline/lib/user-error.js";
import type { Settings } from "./settings.js";
import { networkName, sandboxName } from "./settings.js";

/** Everything of the sandbox on the engine carries this label; its value names the checkout it belongs to. */
export const ownerLabel = "audit-sandbox.checkout";
/** Which of the machine's sandboxes: SANDBOX_NAME. */
const nameLabel = "audit-sandbox.name";
const configLabel = "audit-sandbox.config";
const dataLabel = "audit-sandbox.data";

/**
 * A file that is copied into a container before its first start. It is not a bind mount, so the engine may be on
 * another machine.
 */
export interface ContainerFile {
  /** Absolute path in the container. */
  path: string;
  content: string | Buffer;
  /**
   * Default 0444: it is in the container's own layer, which only that container and root on the engine's host can read.
   */
  mode?: number;
  uid?: number;
  gid?: number;
}

export interface ContainerSpec {
  name: string;
  image: string;
  hostname: string;
  /** Fixed address on the platform network. */
  address: string;
  command?: string[];
  env?: Record<string, string>;
  files?: ContainerFile[];
  /** Volume name → path in the container. */
  volumes?: Record<string, string>;
  /** Port in the container → port on 127.0.0.1. */
  ports?: Record<number, number>;
  capabilities?: string[];
  securityOptions?: string[];
  /** Leaves /proc and /sys as they are, as `--security-opt systempaths=unconfined` does. */
  unmaskedPaths?: boolean;
  binds?: string[];
  tmpfs?: Record<string, string>;
  stopSeconds?: number;
  /** `private` (default) or `host`. */
  cgroupns?: "private" | "host";
}

/**
 * Creates and updates the sandbox's containers, networks and volumes on one Docker Engine to match their descriptions.
 */
export class Engine {
  private known: Map<string, Docker.ContainerInfo> | undefined;

  constructor(
    readonly docker: Docker,
    private readonly settings: Settings,
  ) {}

  /** @param host the engine as `unix:///path`, `tcp://host:port` or `ssh://user@host`. */
  static connect(host: string, settings: Settings): Engine {
    const url = new URL(host);
    const docker =
      url.protocol === "unix:"
        ? new Docker({ socketPath: url.pathname })
        : url.protocol === "ssh:"
          ? new Docker({ protocol: "ssh", host: url.hostname, port: url.port || 22, username: url.username })
          : new Docker({ protocol: "http", host: url.hostname, port: Number(url.port || 2375) });
    return new Engine(docker, settings);
  }

  private get labels(): Record<string, string> {
    return { [ownerLabel]: this.settings.checkout, [nameLabel]: sandboxName };
  }

  async containers(): Promise<Map<string, Docker.ContainerInfo>> {
    if (!this.known) {
      const list = await this.docker.listContainers({ all: true, filters: { label: [ownerLabel] } });
      this.known = new Map(list.filter(isMine).map((info) => [(info.Names[0] ?? "").replace(/^\//, ""), info]));
    }
    return this.known;
  }

  /**
   * @throws UserError if another checkout's sandbox runs on this engine, because it has the same names and addresses.
   */
  async refuseForeign(): Promise<void> {
    for (const [name, info] of await this.containers()) {
      if (info.Labels[ownerLabel] !== this.settings.checkout) {
        throw new UserError(
          `The sandbox of another checkout of this project is on this Docker Engine (container ${name}, ` +
            `from ${info.Labels["audit-sandbox.root"] ?? "an unknown directory"}). Run \`make down\` there first, ` +
            `or give this one SANDBOX_NAME, SANDBOX_PORT_BASE and SANDBOX_SUBNET of its own.`,
        );
      }
    }
  }

  /** Every network of the engine, with its ranges. */
  async networks(): Promise<{ name: string; subnets: string[] }[]> {
    return (await this.docker.listNetworks()).map(({ Name, IPAM }) => ({
      name: Name,
      subnets: (IPAM?.Config ?? []).flatMap(({ Subnet }) => Subnet ?? []),
    }));
  }

  /** {@link checkMachine} has already checked its name and range. */
  async ensureNetwork(): Promise<boolean> {
    if ((await this.networks()).some(({ name }) => name === networkName)) return true;
    const Config = [{ Subnet: `${this.settings.subnetPrefix}.0/24`, Gateway: `${this.settings.subnetPrefix}.1` }];
    await this.docker.createNetwork({
      Name: networkName,
      Driver: "bridge",
      IPAM: { Driver: "default", Config },
      Labels: this.labels,
    });
    return false;
  }

  /**
   * @param dataId names the keys that belong to the data, see {@link State.dataId}.
   * @throws UserError if the volume's data belong to keys that no longer exist.
   */
  async ensureVolumes(names: readonly string[], dataId: string): Promise<boolean> {
    const { Volumes } = await this.docker.listVolumes({ filters: { label: [ownerLabel] } });
    const found = new Map(Volumes.filter(isMine).map((volume) => [volume.Name, volume]));
    let cached = true;
    for (const name of names) {
      const volume = found.get(name);
      if (volume && volume.Labels?.[dataLabel] !== dataId) {
        throw new UserError(
          `The volume ${name} holds data of an earlier sandbox whose keys are no longer in ${this.settings.stateDir}. ` +
            `Run \`make down DATA=delete\` to remove those data, then \`make up\`.`,
        );
      }
      if (!volume) {
        await this.docker.createVolume({ Name: name, Labels: { ...this.labels, [dataLabel]: dataId } });
        cached = false;
      }
    }
    return cached;
  }

  /**
   * Ensures that the container exists as described and runs. A container whose description has changed is recreated.
   * @returns true if it was running already.
   */
  async ensureContainer(spec: ContainerSpec): Promise<boolean> {
    const image = await this.docker.getImage(spec.image).inspect();
    const hash = createHash("sha256")
      .update(JSON.stringify([spec, image.Id]))
      .digest("hex");
    const existing = (await this.containers()).get(spec.name);
    // One that was never started may lack its files: an interrupted run creates it before it copies them.
    if (existing?.Labels[configLabel] === hash && existing.State !== "created") {
      if (existing.State === "running") return true;
      await this.start(this.docker.getContainer(existing.Id));
      return false;
    }
    if (existing) await this.remove(spec.name, spec.stopSeconds);
    const container = await this.docker.createContainer(this.toCreate(spec, hash));
    if (spec.files?.length) await container.putArchive(archive(spec.files), { path: "/" });
    await this.start(container);
    this.known = undefined;
    return false;
  }

  /** Puts files into a container as it is; they stay until it is made anew. */
  async putFiles(name: string, files: readonly ContainerFile[]): Promise<void> {
    await this.docker.getContainer(name).putArchive(archive(files), { path: "/" });
  }

  private toCreate(spec: ContainerSpec, hash: string): Docker.ContainerCreateOptions {
    const ports = Object.entries(spec.ports ?? {});
    return {
      name: spec.name,
      Image: spec.image,
      Hostname: spec.hostname,
      ...(spec.command ? { Cmd: spec.command } : {}),
      Env: Object.entries(spec.env ?? {}).map(([key, value]) => `${key}=${value}`),
      Labels: { ...this.labels, [configLabel]: hash, "audit-sandbox.root": this.settings.root },
      ExposedPorts: Object.fromEntries(ports.map(([inside]) => [`${inside}/tcp`, {}])),
      StopTimeout: spec.stopSeconds ?? 10,
      HostConfig: {
        RestartPolicy: { Name: "unless-stopped" },
        PortBindings: Object.fromEntries(
          ports.map(([inside, outside]) => [`${inside}/tcp`, [{ HostIp: "127.0.0.1", HostPort: String(outside) }]]),
        ),
        Mounts: Object.entries(spec.volumes ?? {}).map(([Source, Target]) => ({ Type: "volume", Source, Target })),
        Binds: spec.binds ?? [],
        Tmpfs: spec.tmpfs ?? {},
        CapAdd: spec.capabilities ?? [],
        SecurityOpt: spec.securityOptions ?? [],
        LogConfig: { Type: "json-file", Config: { "max-size": "10m", "max-file": "3" } },
        ...(spec.unmaskedPaths ? { MaskedPaths: [], ReadonlyPaths: [] } : {}),
        ...(spec.cgroupns ? { CgroupnsMode: spec.cgroupns } : {}),
      },
      NetworkingConfig: {
        EndpointsConfig: {
          [networkName]: { Aliases: [spec.hostname], IPAMConfig: { IPv4Address: spec.address } },
        },
      },
    };
  }

  private async start(container: Docker.Container): Promise<void> {
    try {
      await container.start();
    } catch (error) {
      const busy = /(?:listen|Bind for|listening on).*?:(\d+).*?(?:already|in use|failed)/is.exec(String(error));
      if (busy) throw new UserError(busyPort(Number(busy[1])));
      throw error;
    }
  }

  async remove(name: string, stopSeconds = 10): Promise<void> {
    const container = this.docker.getContainer(name);
    await ignoreMissing(container.stop({ t: stopSeconds }));
    await ignoreMissing(container.remove({ force: true, v: true }));
    this.known = undefined;
  }

  /** Runs a command in a container and returns its output. @throws Error with the output if it fails. */
  async exec(name: string, command: string[], input?: string): Promise<string> {
    const exec = await this.docker.getContainer(name).exec({
      Cmd: command,
      AttachStdout: true,
      AttachStderr: true,
      AttachStdin: input !== undefined,
      Tty: true, // one stream, not multiplexed
    });
    const stream = await exec.start({ hijack: input !== undefined, stdin: input !== undefined, Tty: true });
    if (input !== undefined) stream.end(input);
    const output = await text(stream);
    const { ExitCode } = await exec.inspect();
    if (ExitCode !== 0)
      throw new Error(`${name}: ${command.join(" ")} ended with ${String(ExitCode)}: ${output.trim()}`);
    return output;
  }

  /** The last lines of a container's log. */
  async logs(name: string, lines = 50): Promise<string> {
    try {
      const raw = await this.docker.getContainer(name).logs({ stdout: true, stderr: true, tail: lines });
      return demultiplex(raw);
    } catch {
      return "(no log: the container is gone)";
    }
  }
}

/** Whether something belongs to the sandbox of this name; there may be others on the engine. */
const isMine = ({ Labels }: { Labels?: Record<string, string> | null }): boolean =>
  (Labels?.[nameLabel] ?? "audit-sandbox") === sandboxName;

export const busyPort = (port: number): string =>
  `Port ${port} of 127.0.0.1 is in use by another program. Stop that program, ` +
  `or let the sandbox use other ports, for example SANDBOX_PORT_BASE=28000 make up.`;

export async function ignoreMissing<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    const status = (error as { statusCode?: number }).statusCode;
    // 304: already stopped; 404: already gone; 409: already being removed.
    if (status === 304 || status === 404 || status === 409) return undefined;
    throw error;
  }
}

/**
 * Without a terminal the engine sends frames: one byte for the stream, three unused, four for the length (Docker Engine
 * API, "Attach").
 */
function demultiplex(raw: Buffer): string {
  const parts: Buffer[] = [];
  for (let at = 0; at + 8 <= raw.length;) {
    const length = raw.readUInt32BE(at + 4);
    parts.push(raw.subarray(at + 8, at + 8 + length));
    at += 8 + length;
  }
  return Buffer.concat(parts).toString("utf8").trimEnd();
}

function archive(files: readonly ContainerFile[]): NodeJS.ReadableStream {
  const tar = pack();
  for (const file of files) {
    tar.entry(
      { name: file.path.replace(/^\//, ""), mode: file.mode ?? 0o444, uid: file.uid ?? 0, gid: file.gid ?? 0 },
      file.content,
    );
  }
  tar.finalize();
  return tar;
}
