import type * as docker from "@pulumi/docker";
import type { InputsOf, StateOf } from "../framework/index.js";

export type Inputs = InputsOf<typeof docker.Container>;
export type State = StateOf<typeof docker.Container>;

/** A mount as the engine's API has it. */
export interface ApiMount {
  Type: string;
  Target: string;
  Source?: string;
  ReadOnly?: boolean;
  BindOptions?: { Propagation?: string };
  VolumeOptions?: {
    NoCopy?: boolean;
    Labels?: Record<string, string> | null;
    DriverConfig?: { Name?: string; Options?: Record<string, string> | null };
    Subpath?: string;
  };
  TmpfsOptions?: { SizeBytes?: number; Mode?: number };
}

export interface ApiHealthcheck {
  Test?: string[];
  /** These four in nanoseconds. */
  Interval?: number;
  Timeout?: number;
  StartPeriod?: number;
  StartInterval?: number;
  Retries?: number;
}

/** What this plugin reads of the answer of `GET /containers/{id}/json`. */
export interface Inspected {
  Id: string;
  Name: string;
  /** The image's id. */
  Image: string;
  Platform: string;
  State: {
    Running: boolean;
    Status: string;
    ExitCode: number;
    Health?: { Status: string; FailingStreak: number } | null;
  };
  Config: {
    Image: string;
    Hostname: string;
    User: string;
    WorkingDir: string;
    Cmd: string[] | null;
    Entrypoint: string[] | null;
    StopSignal?: string;
    StopTimeout?: number | null;
    Tty: boolean;
    OpenStdin: boolean;
    Healthcheck?: ApiHealthcheck | null;
  };
  HostConfig: {
    AutoRemove: boolean;
    ReadonlyRootfs: boolean;
    RestartPolicy: { Name: string; MaximumRetryCount: number };
    Dns: string[] | null;
    SecurityOpt: string[] | null;
    Init?: boolean | null;
    CapAdd: string[] | null;
    CapDrop: string[] | null;
    Runtime: string;
    Mounts?: ApiMount[] | null;
    Tmpfs?: Record<string, string> | null;
    ExtraHosts: string[] | null;
    Ulimits: { Name: string; Soft: number; Hard: number }[] | null;
    Memory: number;
    MemoryReservation: number;
    MemorySwap: number;
    ShmSize: number;
    NanoCpus: number;
    CpuShares: number;
    LogConfig: { Type: string; Config: Record<string, string> | null };
    NetworkMode: string;
    IpcMode: string;
    GroupAdd: string[] | null;
    Sysctls?: Record<string, string> | null;
  };
  NetworkSettings: {
    Bridge?: string;
    Ports: Record<string, { HostIp: string; HostPort: string }[] | null> | null;
    Networks: Record<string, ApiEndpoint> | null;
  };
}

export interface ApiEndpoint {
  IPAddress: string;
  IPPrefixLen: number;
  Gateway: string;
  GlobalIPv6Address: string;
  GlobalIPv6PrefixLen: number;
  IPv6Gateway: string;
  MacAddress: string;
}

export const MEBIBYTE = 1024 * 1024;
