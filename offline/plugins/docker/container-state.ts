import { formatDuration } from "./durations.js";
import { MEBIBYTE, type ApiMount, type Inspected, type State } from "./container-model.js";

/**
 * A number of CPUs as the genuine plugin writes it into the state (helpers.go, nanoInt64ToDecimalString): `1` comes back as `1.0` and `0.05` as
 * `0.1`, so that programs which spell it so replace their container at every `up`.
 */
export function cpusOf(nanoseconds: number): string {
  if (nanoseconds === 0) return "0";
  const digits = String(nanoseconds).padStart(10, "0");
  const fixed = `${digits.slice(0, -9)}.${digits.slice(-9)}`;
  if (fixed.split("0").length - 1 === 9) {
    const tenths = Math.floor((nanoseconds + 0.05e9) / 0.1e9);
    return `${Math.floor(tenths / 10)}.${tenths % 10}`;
  }
  return fixed.replace(/0+$/, "");
}

function portsOf(ports: Inspected["NetworkSettings"]["Ports"]): NonNullable<State["ports"]> {
  return Object.entries(ports ?? {})
    .sort(([a], [b]) => Number.parseInt(a) - Number.parseInt(b))
    .flatMap(([key, bindings]) => {
      const [internal = "", protocol = ""] = key.split("/");
      return (bindings ?? []).map(({ HostIp, HostPort }) => ({
        internal: Number(internal),
        external: Number(HostPort),
        ip: HostIp,
        protocol,
      }));
    });
}

function mountOf(mount: ApiMount): NonNullable<State["mounts"]>[number] {
  const result: NonNullable<State["mounts"]>[number] = {
    type: mount.Type,
    target: mount.Target,
    source: mount.Source ?? "",
    readOnly: mount.ReadOnly ?? false,
  };
  if (mount.BindOptions) result.bindOptions = { propagation: mount.BindOptions.Propagation ?? "" };
  if (mount.VolumeOptions) {
    const { NoCopy, DriverConfig, Subpath } = mount.VolumeOptions;
    result.volumeOptions = { noCopy: NoCopy ?? false, labels: [] };
    if (DriverConfig)
      Object.assign(result.volumeOptions, {
        driverName: DriverConfig.Name ?? "",
        driverOptions: DriverConfig.Options ?? {},
      });
    if (Subpath) result.volumeOptions.subpath = Subpath;
  }
  if (mount.TmpfsOptions)
    result.tmpfsOptions = { sizeBytes: mount.TmpfsOptions.SizeBytes ?? 0, mode: mount.TmpfsOptions.Mode ?? 0 };
  return result;
}

function networkData(networks: Inspected["NetworkSettings"]["Networks"]): NonNullable<State["networkDatas"]> {
  return Object.entries(networks ?? {})
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([networkName, endpoint]) => ({
      networkName,
      ipAddress: endpoint.IPAddress,
      ipPrefixLength: endpoint.IPPrefixLen,
      gateway: endpoint.Gateway,
      globalIpv6Address: endpoint.GlobalIPv6Address,
      globalIpv6PrefixLength: endpoint.GlobalIPv6PrefixLen,
      ipv6Gateway: endpoint.IPv6Gateway,
      macAddress: endpoint.MacAddress,
    }));
}

function hostsOf(hosts: readonly string[] | null): NonNullable<State["hosts"]> {
  return (hosts ?? []).map((entry) => {
    // Split at every colon as the genuine plugin does: of an IPv6 address only the first part comes back.
    const [host = "", ip = ""] = entry.split(":");
    return { host, ip };
  });
}

function healthcheckOf(check: Inspected["Config"]["Healthcheck"]): State["healthcheck"] {
  if (check === undefined || check === null) return undefined;
  return {
    tests: check.Test ?? [],
    interval: formatDuration(check.Interval ?? 0),
    timeout: formatDuration(check.Timeout ?? 0),
    startPeriod: formatDuration(check.StartPeriod ?? 0),
    startInterval: formatDuration(check.StartInterval ?? 0),
    retries: check.Retries ?? 0,
  };
}

const wholeMegabytes = (bytes: number) => (bytes > 0 ? Math.trunc(bytes / MEBIBYTE) : bytes);

/**
 * What Read puts into the state. Not read back, so that drift in them goes unnoticed: envs, labels, networksAdvanced, volumes, uploads.
 *
 * @param known the state (or, right after Create, the inputs) from before: some values are only read back when they were set
 */
export function stateFrom(found: Inspected, known: State): State {
  const { Config, HostConfig, NetworkSettings } = found;
  const state: State = {
    name: found.Name.replace(/^\//, ""),
    rm: HostConfig.AutoRemove,
    readOnly: HostConfig.ReadonlyRootfs,
    image: known.image?.startsWith("sha256:") ? found.Image : Config.Image,
    hostname: Config.Hostname,
    command: Config.Cmd ?? [],
    entrypoints: Config.Entrypoint ?? [],
    user: Config.User,
    dns: HostConfig.Dns ?? [],
    securityOpts: HostConfig.SecurityOpt ?? [],
    restart: HostConfig.RestartPolicy.Name,
    maxRetryCount: HostConfig.RestartPolicy.MaximumRetryCount,
    init: HostConfig.Init ?? false,
    workingDir: Config.WorkingDir,
    runtime: HostConfig.Runtime,
    platform: found.Platform,
    tmpfs: HostConfig.Tmpfs ?? {},
    hosts: hostsOf(HostConfig.ExtraHosts),
    memory: Math.trunc(HostConfig.Memory / MEBIBYTE),
    memoryReservation: wholeMegabytes(HostConfig.MemoryReservation),
    memorySwap: wholeMegabytes(HostConfig.MemorySwap),
    shmSize: Math.trunc(HostConfig.ShmSize / MEBIBYTE),
    cpuShares: HostConfig.CpuShares,
    logDriver: HostConfig.LogConfig.Type,
    networkMode: HostConfig.NetworkMode,
    ipcMode: HostConfig.IpcMode,
    groupAdds: HostConfig.GroupAdd ?? [],
    sysctls: HostConfig.Sysctls ?? {},
    tty: Config.Tty,
    stdinOpen: Config.OpenStdin,
    stopSignal: Config.StopSignal ?? "",
    bridge: NetworkSettings.Bridge ?? "",
    networkDatas: networkData(NetworkSettings.Networks),
  };
  if (Config.StopTimeout !== undefined && Config.StopTimeout !== null) state.stopTimeout = Config.StopTimeout;
  const healthcheck = healthcheckOf(Config.Healthcheck);
  if (healthcheck !== undefined) state.healthcheck = healthcheck;
  if (HostConfig.NanoCpus > 0) state.cpus = cpusOf(HostConfig.NanoCpus);
  if (Object.keys(known.logOpts ?? {}).length > 0) state.logOpts = HostConfig.LogConfig.Config ?? {};
  if ((known.ulimits ?? []).length > 0)
    state.ulimits = (HostConfig.Ulimits ?? []).map(({ Name, Soft, Hard }) => ({ name: Name, soft: Soft, hard: Hard }));
  const adds = HostConfig.CapAdd ?? [];
  const drops = HostConfig.CapDrop ?? [];
  if (adds.length > 0 || drops.length > 0) state.capabilities = { adds, drops };
  const mounts = HostConfig.Mounts ?? [];
  // The genuine plugin cannot store a labelled volume's options (a slip in its field names), and leaves the mounts as they were.
  if (!mounts.some((mount) => Object.keys(mount.VolumeOptions?.Labels ?? {}).length > 0))
    state.mounts = mounts.map(mountOf);
  // A stopped container has no ports: with mustRun they disappear from the state, so that the container is replaced.
  const mustRun = known.mustRun ?? true;
  if ((found.State.Running || mustRun) && (known.ports ?? []).length > 0) state.ports = portsOf(NetworkSettings.Ports);
  if (!found.State.Running) {
    state.exitCode = found.State.ExitCode;
    // This is how a stopped container is detected: it differs from the program's true, so Update starts it.
    if (mustRun) state.mustRun = false;
  }
  return state;
}
