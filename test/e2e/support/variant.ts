import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { root, run, type Sandbox } from "./sandbox";

interface RunInfo {
  engineHost: string;
}

/**
 * Builds an image on top of the deployed service's and pushes it to the sandbox's registry, as a pipeline would a new one.
 *
 * @param lines Dockerfile lines after FROM
 * @returns the reference by digest under which VM2 pulls it
 */
export async function pushVariant(sandbox: Sandbox, name: string, lines: readonly string[]): Promise<string> {
  const state = (file: string): unknown => JSON.parse(readFileSync(join(root, ".sandbox", file), "utf8"));
  const { engineHost } = state("run.json") as RunInfo;
  const password = (state("secrets.json") as Record<string, string>)["registry-pusher"] ?? "";
  const deployed = (await sandbox.mustPulumi("stack", "output", "image")).trim();
  const local = `127.0.0.1:${new URL(sandbox.get("AUDIT_URL")).port.replace(/80$/, "50")}`;
  const [host = "", digest = ""] = deployed.split("/audit/audit-svc@");
  const config = mkdtempSync(join(tmpdir(), "docker-config-"));
  const docker = async (args: string[], input?: string): Promise<string> => {
    const env = { ...process.env, DOCKER_HOST: engineHost, DOCKER_BUILDKIT: "0" };
    const { code, output } = await run(["docker", "--config", config, ...args], env, input);
    if (code !== 0) throw new Error(`docker ${args.join(" ")} ended with ${code}:\n${output}`);
    return output;
  };
  try {
    await docker(["login", "--username", "pusher", "--password-stdin", local], password);
    const tag = `${local}/audit/${name}:e2e`;
    await docker(
      ["build", "--quiet", "--tag", tag, "-"],
      [`FROM ${local}/audit/audit-svc@${digest}`, ...lines, ""].join("\n"),
    );
    const pushed = /digest: (sha256:[0-9a-f]{64})/.exec(await docker(["push", tag]))?.[1];
    if (pushed === undefined) throw new Error(`the registry gave no digest for ${tag}`);
    await docker(["image", "rm", "--no-prune", tag]);
    return `${host}/audit/${name}@${pushed}`;
  } finally {
    rmSync(config, { recursive: true });
  }
}
