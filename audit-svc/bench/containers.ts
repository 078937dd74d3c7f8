import { execFileSync, spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

const started = new Set<string>();
process.on("exit", () => {
  for (const name of started) spawnSync("docker", ["rm", "-f", "-v", name], { stdio: "ignore" });
});

/** Runs docker and answers what it printed. @throws Error with what it said when it fails */
export function docker(args: readonly string[], input?: string): string {
  return execFileSync("docker", args, { encoding: "utf8", input, stdio: ["pipe", "pipe", "pipe"] }).trim();
}

/** The newest image of this name that the sandbox has made, else the official one, which Docker then pulls. */
function image(sandbox: string, official: string): string {
  const found = docker(["images", "--format", "{{.Repository}}:{{.Tag}}", `audit-sandbox/${sandbox}`]);
  return found.split("\n").find((line) => line !== "" && !line.endsWith("<none>")) ?? official;
}

/** What is deployed runs on this Node, whatever runs the benchmark. */
export const nodeImage = (): string => image("node-plain", "node:24-trixie-slim");
/** With what this machine needs to reach Debian's packages. */
export const baseImage = (): string => image("base", "debian:trixie-slim");

let wrk: string | undefined;

/** An image with wrk: it takes far less of the machine that is measured than a load generator in JavaScript. */
export function wrkImage(): string {
  const dockerfile = `FROM ${baseImage()}
RUN apt-get update && apt-get install -y --no-install-recommends wrk && rm -rf /var/lib/apt/lists/*
`;
  wrk ??= docker(["build", "-q", "-t", "audit-bench/wrk", "-"], dockerfile);
  return wrk;
}

let onePort: string | undefined;

/** The service of another make, test/one-port-image. */
export function onePortImage(): string {
  const context = fileURLToPath(new URL("../../test/one-port-image", import.meta.url));
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

/** Starts a container on this host's network, so that no contender pays for Docker's port forwarding. Answers its name. */
export function run(args: readonly string[]): string {
  const name = `audit-bench-${process.pid}-${started.size}`;
  started.add(name);
  // Root reads a test's directory, which is nobody else's.
  docker(["run", "-d", "--name", name, "--network", "host", "--user", "0:0", ...args]);
  return name;
}

/** Stops a container as Docker does at a deploy, and removes it. */
export function stop(name: string): void {
  docker(["stop", "-t", "30", name]);
  docker(["rm", "-v", name]);
  started.delete(name);
}
