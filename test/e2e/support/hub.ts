import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { root, run } from "./sandbox";
import { secretsOf } from "./pipeline";

/** Where the pipeline's build finds the service's base images: the sandbox's registry as a company's mirror of the hub. */
export async function pushBaseImages(): Promise<void> {
  const { engineHost } = JSON.parse(readFileSync(join(root, ".sandbox/run.json"), "utf8")) as { engineHost: string };
  const config = mkdtempSync(join(tmpdir(), "docker-config-"));
  const local = `127.0.0.1:${Number(process.env.SANDBOX_PORT_BASE ?? 18000) + 50}`;
  const docker = async (args: string[], input?: string): Promise<string> => {
    const env = { ...process.env, DOCKER_HOST: engineHost };
    const { code, output } = await run(["docker", "--config", config, ...args], env, input);
    if (code !== 0) throw new Error(`docker ${args.join(" ")} ended with ${code}:\n${output}`);
    return output;
  };
  try {
    await docker(["login", "--username", "pusher", "--password-stdin", local], secretsOf()["registry-pusher"]);
    const { ensureImage } = await import("../../../sandbox/src/parts/images.js");
    const ways = JSON.parse(readFileSync(join(root, ".sandbox/ways.json"), "utf8")) as Parameters<
      typeof ensureImage
    >[1];
    for (const name of ["node", "node-plain"] as const) {
      const { ref } = await ensureImage(name, ways, () => undefined);
      const tag = `${local}/hub/${name}:24`;
      await docker(["tag", ref, tag]);
      await docker(["push", tag]);
      await docker(["image", "rm", "--no-prune", tag]);
    }
  } finally {
    rmSync(config, { recursive: true });
  }
}
