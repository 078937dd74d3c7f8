import { labelMap } from "./network.js";
import { parseDuration } from "./durations.js";
import { MEBIBYTE, type ApiHealthcheck, type ApiMount, type Inputs } from "./container-model.js";

/** The bodies of the requests that make a container. Pure functions: what the engine is sent for given inputs. */

function nonEmpty<T>(list: readonly T[] | undefined): readonly T[] | undefined {
  return list === undefined || list.length === 0 ? undefined : list;
}

/** A megabyte value of the program as the engine's bytes; -1 (unlimited swap) stays. */
export function megabytes(value: number | undefined): number | undefined {
  if (value === undefined || value === 0) return undefined;
  return value > 0 ? value * MEBIBYTE : value;
}

function healthcheck(input: NonNullable<Inputs["healthcheck"]>): ApiHealthcheck {
  const duration = (text: string | undefined) => parseDuration(text ?? "0s") ?? 0;
  return {
    Test: input.tests ?? [],
    Interval: duration(input.interval),
    Timeout: duration(input.timeout),
    StartPeriod: duration(input.startPeriod),
    StartInterval: duration(input.startInterval),
    Retries: input.retries ?? 0,
  };
}

function mount(input: NonNullable<Inputs["mounts"]>[number]): ApiMount {
  const result: ApiMount = {
    Type: input.type,
    Target: input.target,
    Source: input.source ?? "",
    ReadOnly: input.readOnly ?? false,
  };
  if (input.type === "bind" && input.bindOptions !== undefined)
    result.BindOptions = { Propagation: input.bindOptions.propagation ?? "" };
  if (input.type === "volume" && input.volumeOptions !== undefined) {
    const { noCopy, labels, driverName, driverOptions, subpath } = input.volumeOptions;
    result.VolumeOptions = {
      NoCopy: noCopy ?? false,
      Labels: labelMap(labels) ?? {},
      DriverConfig: { Name: driverName ?? "", Options: driverOptions ?? {} },
      Subpath: subpath ?? "",
    };
  }
  if (input.type === "tmpfs" && input.tmpfsOptions !== undefined) {
    result.TmpfsOptions = { SizeBytes: input.tmpfsOptions.sizeBytes ?? 0, Mode: input.tmpfsOptions.mode ?? 0 };
  }
  return result;
}

interface Binding {
  HostIp: string;
  HostPort: string;
}

function ports(inputs: NonNullable<Inputs["ports"]>): {
  exposed: Record<string, object>;
  bindings: Record<string, Binding[]>;
} {
  const exposed: Record<string, object> = {};
  const bindings: Record<string, Binding[]> = {};
  for (const port of inputs) {
    const key = `${port.internal}/${port.protocol ?? "tcp"}`;
    exposed[key] = {};
    // Port 0 lets the engine choose.
    (bindings[key] ??= []).push({ HostIp: port.ip ?? "0.0.0.0", HostPort: String(port.external ?? 0) });
  }
  return { exposed, bindings };
}

/**
 * Named volumes and host paths as the engine's `binds`; entries with only a path as anonymous volumes.
 *
 * @throws Error for an entry with neither or both of containerPath and fromContainer
 */
function volumes(inputs: NonNullable<Inputs["volumes"]>) {
  const Volumes: Record<string, object> = {};
  const Binds: string[] = [];
  const VolumesFrom: string[] = [];
  for (const volume of inputs) {
    const path = volume.containerPath ?? "";
    const from = volume.fromContainer ?? "";
    if (path === "" && from === "")
      throw new Error("Unable to parse volumes: volume entry without container path or source container");
    if (path !== "" && from !== "")
      throw new Error("Unable to parse volumes: both a container and a path specified in a volume entry");
    if (from !== "") {
      VolumesFrom.push(from);
      continue;
    }
    Volumes[path] = {};
    const source = (volume.hostPath ?? "") === "" ? (volume.volumeName ?? "") : (volume.hostPath ?? "");
    if (source !== "") Binds.push(`${source}:${path}:${volume.readOnly === true ? "ro" : "rw"}`);
  }
  return { Volumes, Binds, VolumesFrom };
}

/** The client implements `systempaths=unconfined`; the engine does not know it, so it never appears in the state. */
function securityOptions(inputs: readonly string[]) {
  const unconfined = inputs.includes("systempaths=unconfined");
  return {
    SecurityOpt: inputs.filter((option) => option !== "systempaths=unconfined"),
    ...(unconfined ? { MaskedPaths: [], ReadonlyPaths: [] } : {}),
  };
}

/** Capabilities as Docker's own client sends them: in capitals, with their prefix, sorted and each once. */
function capabilities(list: readonly string[] | undefined): string[] | undefined {
  if (list === undefined) return undefined;
  const spelled = list
    .map((name) => name.toUpperCase().trim())
    .map((name) => (name === "ALL" || name.startsWith("CAP_") ? name : `CAP_${name}`));
  return [...new Set(spelled)].sort();
}

/** @throws Error when it is no number or finer than a billionth */
export function nanoCpus(cpus: string): number {
  if (!/^\d+(\.\d{1,9})?$/.test(cpus))
    throw new Error(`Error setting cpus: ${JSON.stringify(cpus)} is not a number of CPUs; write it like "0.5"`);
  const [whole = "0", fraction = ""] = cpus.split(".");
  return Number(whole) * 1e9 + Number(fraction.padEnd(9, "0"));
}

/**
 * The body of `POST /containers/create`.
 *
 * @throws Error for inputs that the genuine plugin refuses at this point: an empty word in the command, a volume without a path
 */
export function createBody(inputs: Inputs): Record<string, unknown> {
  if (inputs.command?.includes("")) throw new Error("values for command may not be empty");
  const published = ports(inputs.ports ?? []);
  const bound = volumes(inputs.volumes ?? []);
  return {
    Image: inputs.image,
    Hostname: inputs.hostname ?? "",
    Env: nonEmpty(inputs.envs),
    Cmd: nonEmpty(inputs.command),
    Entrypoint: nonEmpty(inputs.entrypoints),
    User: inputs.user,
    WorkingDir: inputs.workingDir,
    Tty: inputs.tty ?? false,
    OpenStdin: inputs.stdinOpen ?? false,
    StopSignal: inputs.stopSignal,
    StopTimeout: inputs.stopTimeout,
    Labels: labelMap(inputs.labels),
    ExposedPorts: published.exposed,
    Volumes: bound.Volumes,
    Healthcheck: inputs.healthcheck === undefined ? undefined : healthcheck(inputs.healthcheck),
    HostConfig: {
      AutoRemove: inputs.rm ?? false,
      ReadonlyRootfs: inputs.readOnly ?? false,
      RestartPolicy: { Name: inputs.restart ?? "no", MaximumRetryCount: inputs.maxRetryCount ?? 0 },
      Mounts: (inputs.mounts ?? []).map(mount),
      Binds: nonEmpty(bound.Binds),
      VolumesFrom: nonEmpty(bound.VolumesFrom),
      Tmpfs: inputs.tmpfs,
      PortBindings: published.bindings,
      ExtraHosts: nonEmpty(inputs.hosts?.map(({ host, ip }) => `${host}:${ip}`)),
      Ulimits: nonEmpty(inputs.ulimits?.map(({ name, soft, hard }) => ({ Name: name, Soft: soft, Hard: hard }))),
      CapAdd: capabilities(inputs.capabilities?.adds),
      CapDrop: capabilities(inputs.capabilities?.drops),
      Dns: inputs.dns,
      GroupAdd: inputs.groupAdds,
      ...(inputs.securityOpts === undefined ? {} : securityOptions(inputs.securityOpts)),
      Memory: megabytes(inputs.memory),
      MemoryReservation: megabytes(inputs.memoryReservation),
      MemorySwap: megabytes(inputs.memorySwap),
      ShmSize: megabytes(inputs.shmSize),
      NanoCpus: inputs.cpus === undefined || inputs.cpus === "" ? undefined : nanoCpus(inputs.cpus),
      CpuShares: inputs.cpuShares,
      LogConfig: { Type: inputs.logDriver ?? "", Config: inputs.logOpts ?? {} },
      NetworkMode: inputs.networkMode ?? "bridge",
      IpcMode: inputs.ipcMode,
      Runtime: inputs.runtime,
      Sysctls: inputs.sysctls,
      // Always sent: unset means "no", not the engine's own default.
      Init: inputs.init ?? false,
    },
  };
}

/** The body of `POST /containers/{id}/update`, sent whole whatever changed, as the genuine plugin does. */
export function updateBody(inputs: Inputs): Record<string, unknown> {
  return {
    RestartPolicy: { Name: inputs.restart ?? "no", MaximumRetryCount: inputs.maxRetryCount ?? 0 },
    CpuShares: inputs.cpuShares ?? 0,
    Memory: megabytes(inputs.memory) ?? 0,
    MemoryReservation: megabytes(inputs.memoryReservation) ?? 0,
    MemorySwap: megabytes(inputs.memorySwap),
  };
}

/** The body of `POST /networks/{name}/connect`. */
export function connectBody(
  container: string,
  network: NonNullable<Inputs["networksAdvanced"]>[number],
): Record<string, unknown> {
  return {
    Container: container,
    EndpointConfig: {
      Aliases: network.aliases ?? [],
      IPAMConfig: { IPv4Address: network.ipv4Address ?? "" },
    },
  };
}
