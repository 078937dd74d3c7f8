import { spawn } from "node:child_process";
import { existsSync, mkdirSync, openSync, closeSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { explain, failure, lastLine } from "../../../offline/lib/failures.js";
import { asRoot, installPackages, which } from "../../../offline/lib/packages.js";
import { checkOwnDirs, stateDir } from "../../../offline/lib/paths.js";
import { attempt } from "../../../offline/lib/run.js";
import { UserError } from "../../../offline/lib/user-error.js";
import type { Progress } from "../display.js";
import { dockerCli } from "./tools.js";
import type { Artifact } from "./types.js";

const engineDir = join(stateDir, "engine");
const recordFile = join(engineDir, "engine.json");
const logPath = join(engineDir, "dockerd.log");
const socket = "/var/run/docker.sock";

export type EngineArtifact = Artifact & {
  /** Address of the engine, as for DOCKER_HOST. */
  readonly host: string;
  readonly startedByUs: boolean;
  readonly pid?: number;
};

/** The engine that this sandbox started, with its start time, because another process could have its pid by now. */
interface EngineRecord {
  readonly pid: number;
  /** Field 22 of /proc/<pid>/stat, in clock ticks since the machine's boot. */
  readonly startTime: string;
  readonly bootId: string;
}

/**
 * The start time in a /proc/<pid>/stat line; the command's name in it may contain spaces and parentheses. Undefined for
 * a zombie: in a container whose PID 1 does not reap, an ended dockerd stays one forever.
 */
export function startTimeOf(stat: string): string | undefined {
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields[0] === "Z" || fields[0] === "X" ? undefined : fields[19];
}

const processStart = (pid: number): string | undefined => {
  try {
    return startTimeOf(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return undefined;
  }
};

const bootId = (): string => {
  try {
    return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  } catch {
    return "unknown";
  }
};

function readRecord(): EngineRecord | undefined {
  if (!existsSync(recordFile)) return undefined;
  try {
    const record = JSON.parse(readFileSync(recordFile, "utf8")) as EngineRecord;
    const alive = record.bootId === bootId() && processStart(record.pid) === record.startTime;
    return alive ? record : undefined;
  } catch {
    return undefined;
  }
}

type Answer = { readonly up: true; readonly version: string } | { readonly up: false; readonly output: string };

async function askEngine(): Promise<Answer> {
  const result = await attempt("docker", ["version", "--format", "{{.Server.Version}}"], { timeout: 15_000 });
  return result.ok && result.stdout.trim() !== ""
    ? { up: true, version: result.stdout.trim() }
    : { up: false, output: result.all };
}

/** The address the docker client uses: DOCKER_HOST, else the current context's. */
async function engineHost(): Promise<string> {
  if (process.env.DOCKER_HOST !== undefined && process.env.DOCKER_HOST !== "") return process.env.DOCKER_HOST;
  const result = await attempt("docker", ["context", "inspect", "--format", "{{.Endpoints.docker.Host}}"]);
  return result.ok && result.stdout.trim() !== "" ? result.stdout.trim() : `unix://${socket}`;
}

/** The Docker Engine as found, before anything is installed or started. */
export interface Found {
  /** Address of the engine, as for DOCKER_HOST. */
  readonly host: string;
  readonly up: boolean;
  /** It runs, but this user may not use it. */
  readonly refused: boolean;
  /** Where an engine on this machine keeps its images and volumes. */
  readonly directory: string;
}

/** Looks for the Docker Engine, in a second or two. */
export async function findEngine(): Promise<Found> {
  const host = await engineHost();
  const answer = await askEngine();
  const directory = "/var/lib/docker";
  if (!answer.up) return { host, up: false, refused: isRefusal(answer.output), directory };
  const told = await attempt("docker", ["info", "--format", "{{.DockerRootDir}}"], { timeout: 15_000 });
  return { host, up: true, refused: false, directory: told.ok ? told.stdout.trim() : directory };
}

const isRefusal = (output: string): boolean => explain(output)?.cause.includes("may not talk") === true;

/**
 * Finds the Docker Engine, or installs and starts Debian's.
 *
 * A running engine is used as it is. With systemd, the installed service is started; otherwise (containers, minimal
 * machines) dockerd is started directly, with its pid and log under `.sandbox/engine`.
 * @throws UserError if the engine may not be used, cannot be installed, or does not start
 */
export async function ensureEngine(progress: Progress): Promise<EngineArtifact> {
  const name = "docker-engine";
  checkOwnDirs();
  const client = await dockerCli(progress);
  const host = await engineHost();
  let answer = await askEngine();
  if (answer.up) {
    const record = readRecord();
    const detail = `Docker Engine ${answer.version} at ${host}`;
    return {
      ...{ name, cached: true, source: "present", detail, host, startedByUs: record !== undefined },
      ...(record !== undefined && { pid: record.pid }),
    };
  }
  if (isRefusal(answer.output)) throw failure("use the Docker Engine", answer.output);
  if (host !== `unix://${socket}`) {
    throw new UserError(
      `The Docker Engine at ${host} does not answer (${lastLine(answer.output)}). ` +
        "Start it, or unset DOCKER_HOST (or `docker context use default`) to use this machine's own.",
    );
  }
  // The client's package may have installed Debian's engine too.
  let { source } = client;
  if ((await which("dockerd")) === undefined) {
    await installPackages(["docker.io", "iptables"], "the Docker Engine", progress);
    source = "offline";
  }
  const pid = existsSync("/run/systemd/system") ? await startService(progress) : await startOurs(progress);
  answer = await waitForEngine(pid);
  return {
    ...{ name, cached: false, source, detail: `Docker Engine ${answer.version} at ${host}`, host },
    startedByUs: pid !== undefined,
    ...(pid !== undefined && { pid }),
  };
}

async function startService(progress: Progress): Promise<undefined> {
  const root = await asRoot("Starting the Docker Engine");
  progress("starting the Docker Engine by systemd");
  const [file = "systemctl", ...args] = [...root, "systemctl", "start", "docker"];
  const result = await attempt(file, args, { timeout: 90_000 });
  if (!result.ok) throw failure("start the Docker Engine (`systemctl start docker`)", result.all);
  return undefined;
}

/** The dockerd that a pid file names, while it lives; another process may have its pid by now. */
export function dockerdOf(pidFile: string): number | undefined {
  try {
    const pid = Number(readFileSync(pidFile, "utf8"));
    const name = readFileSync(`/proc/${pid}/comm`, "utf8").trim();
    return name === "dockerd" && processStart(pid) !== undefined ? pid : undefined;
  } catch {
    return undefined;
  }
}

async function startOurs(progress: Progress): Promise<number> {
  const pidFile = join(engineDir, "dockerd.pid");
  // A second dockerd would take the socket and the data from one that only does not answer yet.
  const starting = dockerdOf(pidFile);
  if (starting !== undefined) return starting;
  const theirs = dockerdOf("/var/run/docker.pid");
  if (theirs !== undefined) {
    throw new UserError(
      `dockerd (process ${theirs}) runs on this machine but does not answer at ${socket}. ` +
        "Wait until it has started, or stop it, then run the command again.",
    );
  }
  const root = await asRoot("Starting the Docker Engine");
  const dockerd = (await which("dockerd")) ?? "dockerd";
  if ((await which("iptables")) === undefined) await installPackages(["iptables"], "iptables for Docker", progress);
  mkdirSync(engineDir, { recursive: true });
  progress(`starting dockerd (log: ${logPath})`);
  // dockerd refuses to start if a killed one has left its pid file behind.
  for (const stale of [pidFile, "/var/run/docker.pid"]) {
    if (existsSync(stale))
      await attempt(root[0] ?? "rm", [...(root.length > 0 ? [...root.slice(1), "rm"] : []), "-f", stale]);
  }
  const log = openSync(logPath, "w");
  const [file = dockerd, ...args] = [...root, dockerd, "--pidfile", pidFile, "--host", `unix://${socket}`];
  // In its own session, so that it outlives this program and the terminal.
  const child = spawn(file, args, { detached: true, stdio: ["ignore", log, log], env: serverPath() });
  closeSync(log);
  const failed = new Promise<Error>((resolve) => child.once("error", resolve));
  child.unref();
  const deadline = Date.now() + 20_000;
  while (Date.now() < deadline) {
    const error = await Promise.race([failed, sleep(200)]);
    if (error instanceof Error) throw failure("start dockerd", error.message);
    const pid = existsSync(pidFile) ? Number(readFileSync(pidFile, "utf8")) : 0;
    const startTime = pid > 0 ? processStart(pid) : undefined;
    if (startTime !== undefined) {
      writeFileSync(recordFile, JSON.stringify({ pid, startTime, bootId: bootId() } satisfies EngineRecord) + "\n");
      return pid;
    }
    if (child.exitCode !== null) break;
  }
  throw failure("start dockerd", readLog(), logPath);
}

/** dockerd looks for containerd, runc and iptables in PATH; a user's often lacks the sbin directories. */
const serverPath = (): NodeJS.ProcessEnv => ({
  ...process.env,
  PATH: `${process.env.PATH ?? ""}:/usr/local/sbin:/usr/sbin:/sbin`,
});

const readLog = (): string => (existsSync(logPath) ? readFileSync(logPath, "utf8") : "");

async function waitForEngine(pid: number | undefined): Promise<{ up: true; version: string }> {
  const deadline = Date.now() + 60_000;
  let answer = await askEngine();
  while (!answer.up) {
    if (pid !== undefined && processStart(pid) === undefined) throw failure("start dockerd", readLog(), logPath);
    if (Date.now() > deadline)
      throw failure("reach the Docker Engine within 60 s of its start", answer.output, logPath);
    await sleep(500);
    answer = await askEngine();
  }
  return answer;
}

/** Stops the engine if this sandbox started it; any other is left alone. */
export async function stopEngine(): Promise<void> {
  const record = readRecord();
  if (record !== undefined) {
    const root = await asRoot("Stopping the Docker Engine");
    // The shell's built-in kill, because minimal machines have no such program.
    const [file = "sh", ...args] = [...root, "sh", "-c", `kill -TERM ${record.pid}`];
    const result = await attempt(file, args);
    if (!result.ok) throw failure(`stop dockerd (process ${record.pid})`, result.all);
    const deadline = Date.now() + 60_000;
    while (processStart(record.pid) === record.startTime) {
      if (Date.now() > deadline) {
        throw new UserError(
          `dockerd (process ${record.pid}) does not stop within 60 s of SIGTERM; its log: ${logPath}`,
        );
      }
      await sleep(200);
    }
  }
  rmSync(recordFile, { force: true });
}
