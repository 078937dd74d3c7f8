import { chmodSync, existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { goTool } from "../../../offline/index.js";
import { copyFromImage } from "../../../offline/lib/docker.js";
import { keyOf } from "../../../offline/lib/keys.js";
import { installPackages, which } from "../../../offline/lib/packages.js";
import { cacheDir, stateDir } from "../../../offline/lib/paths.js";
import { attempt } from "../../../offline/lib/run.js";
import { versions } from "../../../offline/lib/versions.js";
import type { Progress } from "../display.js";
import { ensureImage, builderContext } from "./images.js";
import { ensurePulumiCli } from "./pulumi-cli.js";
import type { Artifact, ToolName, Sources } from "./types.js";

export type ToolArtifact = Artifact & { readonly path: string };

/**
 * Makes a program available on this machine and returns its path.
 * - `pulumi`: the vendor's archive, or built from Go modules.
 * - `vault`: copied from the official image, or built.
 * - `docker-cli`: the machine's own, or Debian's.
 * - `psql`: the machine's own, or a script that runs the one in the postgres image.
 * @throws UserError naming cause and cure
 */
export async function ensureTool(name: ToolName, sources: Sources, progress: Progress): Promise<ToolArtifact> {
  switch (name) {
    case "pulumi":
      return ensurePulumiCli(sources, progress);
    case "vault":
      return vaultCli(sources, progress);
    case "docker-cli":
      return dockerCli(progress);
    case "psql":
      return psql(sources, progress);
  }
}

const fromGoModules = (name: string, version: string): string => `${name} ${version}, built from Go modules`;

async function vaultCli(sources: Sources, progress: Progress): Promise<ToolArtifact> {
  const name = "vault";
  const image = await ensureImage("vault", sources, progress);
  if (image.source === "offline") {
    const built = await goTool("vault", builderContext(sources, progress));
    const detail = fromGoModules("Vault", versions().tools.vault);
    return { name, cached: built.cached && image.cached, source: "offline", detail, path: built.path };
  }
  const path = join(cacheDir(), "tools", `vault-${keyOf(image.ref)}`, "vault");
  const detail = `from ${image.detail}`;
  if (existsSync(path)) return { name, cached: true, source: image.source, detail, path };
  mkdirSync(dirname(path), { recursive: true });
  const temporary = `${path}.${process.pid}.tmp`;
  await copyFromImage(image.ref, "/bin/vault", temporary);
  chmodSync(temporary, 0o755);
  renameSync(temporary, path);
  return { name, cached: false, source: image.source, detail, path };
}

/** The docker client: it builds and pulls images, and the docker plugin reaches VM2 through it. */
export async function dockerCli(progress: Progress): Promise<ToolArtifact> {
  const name = "docker-cli";
  const own = await which("docker");
  if (own !== undefined) return { name, cached: true, source: "present", detail: own, path: own };
  // Since Debian 13 the client is a separate package; before, it came with the engine.
  const known = await attempt("apt-cache", ["show", "--no-all-versions", "docker-cli"]);
  await installPackages([known.ok ? "docker-cli" : "docker.io"], "the docker client", progress);
  if ((await which("docker")) === undefined) await installPackages(["docker-cli"], "the docker client", progress);
  const path = (await which("docker")) ?? "docker";
  return { name, cached: false, source: "offline", detail: "from Debian's packages", path };
}

async function psql(sources: Sources, progress: Progress): Promise<ToolArtifact> {
  const name = "psql";
  const own = await which("psql");
  if (own !== undefined) return { name, cached: true, source: "present", detail: own, path: own };
  const image = await ensureImage("postgres", sources, progress);
  const path = join(stateDir, "bin", "psql");
  mkdirSync(dirname(path), { recursive: true });
  const variables = ["PGHOST", "PGPORT", "PGUSER", "PGDATABASE", "PGPASSWORD", "PGSSLMODE", "PGSSLROOTCERT"];
  // The directory of the authority that PGSSLROOTCERT names.
  const authorities = join(stateDir, "ca");
  const script =
    "#!/bin/sh\n# psql from the sandbox's postgres image; written by `make up`.\n" +
    "if [ -t 0 ] && [ -t 1 ]; then tty=-t; fi\n" +
    `exec docker run --rm -i $tty --network host --volume "$PWD:/work" --volume '${authorities}:${authorities}:ro' --workdir /work ` +
    `${variables.map((variable) => `--env ${variable}`).join(" ")} --entrypoint psql ${image.ref} "$@"\n`;
  const temporary = `${path}.${process.pid}.tmp`;
  rmSync(temporary, { force: true });
  writeFileSync(temporary, script, { mode: 0o755 });
  renameSync(temporary, path);
  return { name, cached: image.cached, source: image.source, detail: `out of the image ${image.ref}`, path };
}
