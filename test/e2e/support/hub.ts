import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { root, run, type Sandbox } from "./sandbox";
import { secretsOf } from "./pipeline";

/**
 * Pushes the service's base images to the sandbox's registry, which plays a company's mirror of Docker Hub for the
 * pipeline.
 */
export async function pushBaseImages(): Promise<void> {
  await withRegistry(async (docker, hub) => {
    const { ensureImage } = await import("../../../sandbox/src/artifacts/images.js");
    const sources = JSON.parse(readFileSync(join(root, ".sandbox/ways.json"), "utf8")) as Parameters<
      typeof ensureImage
    >[1];
    for (const [name, version] of [
      ["node", "24"],
      ["base-plain", "trixie"],
    ] as const) {
      const { ref } = await ensureImage(name, sources, () => undefined);
      const tag = `${hub}/${name}:${version}`;
      await docker(["tag", ref, tag]);
      await docker(["push", tag]);
      await docker(["image", "rm", "--no-prune", tag]);
    }
  });
}

/**
 * Pushes a stand-in for Pulumi's image with what ci/Dockerfile uses: the sandbox's CLI, and the language host from its
 * PULUMI_HOME.
 */
export async function pushPulumiImage(sandbox: Sandbox): Promise<void> {
  const context = mkdtempSync(join(tmpdir(), "pulumi-image-"));
  try {
    const { code, stdout, output } = await run(["sh", "-c", "readlink -f $(command -v pulumi)"], sandbox.env);
    if (code !== 0) throw new Error(`there is no pulumi: ${output}`);
    copyFileSync(stdout.trim(), join(context, "pulumi"));
    const host = '#!/bin/sh\nexec "$PULUMI_HOME"/plugins/language-nodejs-v*/pulumi-language-nodejs "$@"\n';
    writeFileSync(join(context, "pulumi-language-nodejs"), host, { mode: 0o755 });
    writeFileSync(join(context, "Dockerfile"), "FROM scratch\nCOPY pulumi pulumi-language-nodejs /pulumi/bin/\n");
    await withRegistry(async (docker, hub) => {
      const tag = `${hub}/pulumi:sandbox`;
      await docker(["build", "--quiet", "--tag", tag, context]);
      await docker(["push", tag]);
      await docker(["image", "rm", "--no-prune", tag]);
    });
  } finally {
    rmSync(context, { recursive: true });
  }
}

type Docker = (args: string[], input?: string) => Promise<string>;

/**
 * Calls `work` with a docker CLI on the sandbox's engine that is logged in to its registry, and with the registry's
 * prefix for Docker Hub images.
 */
async function withRegistry(work: (docker: Docker, hub: string) => Promise<void>): Promise<void> {
  const { engineHost } = JSON.parse(readFileSync(join(root, ".sandbox/run.json"), "utf8")) as { engineHost: string };
  const config = mkdtempSync(join(tmpdir(), "docker-config-"));
  const local = `127.0.0.1:${Number(process.env.SANDBOX_PORT_BASE ?? 18000) + 50}`;
  const docker: Docker = async (args, input) => {
    const env = { ...process.env, DOCKER_HOST: engineHost, DOCKER_BUILDKIT: "0" };
    const { code, output } = await run(["docker", "--config", config, ...args], env, input);
    if (code !== 0) throw new Error(`docker ${args.join(" ")} ended with ${code}:\n${output}`);
    return output;
  };
  try {
    await docker(["login", "--username", "pusher", "--password-stdin", local], secretsOf()["registry-pusher"]);
    await work(docker, `${local}/hub`);
  } finally {
    rmSync(config, { recursive: true });
  }
}
