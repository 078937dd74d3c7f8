import { execFileSync, spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

const started = new Set<string>();
process.on("exit", () => {
  for (const name of started) spawnSync("docker", ["rm", "-f", "-v", name], { stdio: "ignore" });
});

/** Runs docker and returns its output. @throws Error with the output if it fails */
export function docker(args: readonly string[], input?: string): string {
  return execFileSync("docker", args, { encoding: "utf8", input, stdio: ["pipe", "pipe", "pipe"] }).trim();
}

/** Whether there is a Docker Engine to run containers on. */
export function hasDocker(): boolean {
  return spawnSync("docker", ["version"], { stdio: "ignore" }).status === 0;
}

/** The sandbox's newest image of this name, or else the official one, which Docker pulls. */
function image(sandbox: string, official: string): string {
  const found = docker(["images", "--format", "{{.Repository}}:{{.Tag}}", `audit-sandbox/${sandbox}`]);
  return found.split("\n").find((line) => line !== "" && !line.endsWith("<none>")) ?? official;
}

/** The Node that deployed images run on, whichever runs the benchmark. */
export const nodeImage = (): string => image("node-plain", "node:24-trixie-slim");
/** The base image with this machine's settings for Debian's packages. */
export const baseImage = (): string => image("base", "debian:trixie-slim");

let onePort: string | undefined;

/** The other implementation of the service, test/one-port-image. */
export function onePortImage(): string {
  const context = fileURLToPath(new URL("../../../test/one-port-image", import.meta.url));
  onePort ??= docker([
    "build",
    "-q",
    "-t",
    "audit-bench/one-port",
    "--build-arg",
    `BASE_IMAGE=${baseImage()}`,
    context,
  ]);
  return onePort;
}

let count = 0;

/** Starts a container on this host's network, so that no contender pays for Docker's port forwarding. Answers its name. */
export function run(args: readonly string[]): string {
  count += 1;
  const name = `audit-svc-test-${process.pid}-c${count}`;
  started.add(name);
  docker(["run", "-d", "--name", name, "--network", "host", ...args]);
  return name;
}

/** Stops a container as in a deploy, and removes it. Returns its exit code. */
export function stop(name: string): number {
  docker(["stop", "-t", "30", name]);
  const code = Number(docker(["inspect", "-f", "{{.State.ExitCode}}", name]));
  docker(["rm", "-v", name]);
  started.delete(name);
  return code;
}

/** The last lines of a container's log. */
export function logs(name: string): string {
  const { stdout, stderr } = spawnSync("docker", ["logs", "--tail", "20", name], { encoding: "utf8" });
  return stdout + stderr;
}
