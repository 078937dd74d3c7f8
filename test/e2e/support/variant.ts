import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { root, run, type Sandbox } from "./sandbox";

interface RunInfo {
  engineHost: string;
}

const state = (file: string): unknown => JSON.parse(readFileSync(join(root, ".sandbox", file), "utf8"));

/**
 * Builds an image on top of the deployed service's and pushes it to the sandbox's registry, like a pipeline with a new
 * release.
 *
 * @param lines Dockerfile lines after FROM
 * @returns the reference by digest under which VM2 pulls it
 */
export async function pushVariant(sandbox: Sandbox, name: string, lines: readonly string[]): Promise<string> {
  const deployed = (await sandbox.mustPulumi("stack", "output", "image")).trim();
  const digest = deployed.slice(deployed.indexOf("@") + 1);
  return push(sandbox, name, (local) => ({
    args: ["-"],
    input: [`FROM ${local}/audit/audit-svc@${digest}`, ...lines, ""].join("\n"),
  }));
}

/** The other implementation of the service, test/one-port-image, built and pushed as in {@link pushVariant}. */
export async function pushOnePort(sandbox: Sandbox): Promise<string> {
  // The sandbox's own base image can install packages on this machine.
  const base = await baseImage("base", "debian:trixie-slim");
  return push(sandbox, "one-port", () => ({
    args: ["--build-arg", `BASE_IMAGE=${base}`, join(root, "test/one-port-image")],
  }));
}

/** The reference service from a copy of this repository, built and pushed as in {@link pushVariant}. */
export async function pushService(sandbox: Sandbox, directory: string): Promise<string> {
  const node = await baseImage("node", "node:24-trixie-slim");
  const runtime = await baseImage("base-plain", "debian:trixie-slim");
  return push(sandbox, "audit-svc-copy", () => ({
    args: [
      ...["--file", join(directory, "audit-svc/Dockerfile"), "--build-arg", `NODE_IMAGE=${node}`],
      ...["--build-arg", `RUNTIME_IMAGE=${runtime}`, directory],
    ],
  }));
}

/** A base image built by the sandbox, or the official one. */
async function baseImage(name: string, official: string): Promise<string> {
  const found = await run(
    ["docker", "images", "--format", "{{.Repository}}:{{.Tag}}", `audit-sandbox/${name}`],
    engine(),
  );
  return found.stdout.split("\n").find((line) => line !== "" && !line.endsWith("<none>")) ?? official;
}

const engine = (): NodeJS.ProcessEnv => ({
  ...process.env,
  DOCKER_HOST: (state("run.json") as RunInfo).engineHost,
  DOCKER_BUILDKIT: "0",
});

async function push(
  sandbox: Sandbox,
  name: string,
  build: (local: string) => { args: readonly string[]; input?: string },
): Promise<string> {
  const password = (state("secrets.json") as Record<string, string>)["registry-pusher"] ?? "";
  const file = readFileSync(sandbox.get("PULUMI_OPTION_CONFIG_FILE"), "utf8");
  const host = /audit:image: (\S+?)\//.exec(file)?.[1] ?? "";
  const local = `127.0.0.1:${new URL(sandbox.get("AUDIT_URL")).port.replace(/8[0-3]$/, "50")}`;
  const config = mkdtempSync(join(tmpdir(), "docker-config-"));
  const docker = async (args: readonly string[], input?: string): Promise<string> => {
    const { code, output } = await run(["docker", "--config", config, ...args], engine(), input);
    if (code !== 0) throw new Error(`docker ${args.join(" ")} ended with ${code}:\n${output}`);
    return output;
  };
  try {
    await docker(["login", "--username", "pusher", "--password-stdin", local], password);
    const tag = `${local}/audit/${name}:e2e`;
    const { args, input } = build(local);
    await docker(["build", "--quiet", "--tag", tag, ...args], input);
    const pushed = /digest: (sha256:[0-9a-f]{64})/.exec(await docker(["push", tag]))?.[1];
    if (pushed === undefined) throw new Error(`the registry gave no digest for ${tag}`);
    await docker(["image", "rm", "--no-prune", tag]);
    return `${host}/audit/${name}@${pushed}`;
  } finally {
    rmSync(config, { recursive: true });
  }
}
