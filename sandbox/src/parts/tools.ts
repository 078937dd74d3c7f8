import { chmodSync, existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { copyFromImage } from "./docker.js";
import { goTools } from "./go-tools.js";
import { ensureImage, goTool } from "./images.js";
import { keyOf } from "./keys.js";
import { installPackages, which } from "./packages.js";
import { cacheDir, stateDir } from "./paths.js";
import { ensurePulumiCli } from "./pulumi-cli.js";
import { attempt } from "./run.js";
import type { ImageName, Part, Progress, ToolName, Ways } from "./types.js";
import { versions } from "./versions.js";

export type ToolPart = Part & { readonly path: string };

/**
 * Makes a program present on this machine and says where.
 * - `pulumi`: the vendor's archive, else built from Go modules.
 * - `vault`: taken out of the official image, else built.
 * - `vault-postgres-plugin`: built; where the official image runs, Vault has it built in and `path` is empty.
 * - `nginx-exporter`: built; with official images it is in its image only, and `path` is empty.
 * - `docker-cli`: the machine's own, else Debian's.
 * - `psql`: the machine's own, else the one in the postgres image, behind a script.
 * @throws UserError naming cause and cure
 */
export async function ensureTool(name: ToolName, ways: Ways, progress: Progress): Promise<ToolPart> {
  switch (name) {
    case "pulumi":
      return ensurePulumiCli(ways, progress);
    case "vault":
      return vaultCli(ways, progress);
    case "vault-postgres-plugin":
      return companion(name, "vault", "it is built into the official image", ways, progress);
    case "nginx-exporter":
      return companion(name, "nginx-exporter", "it is in the official image", ways, progress);
    case "docker-cli":
      return dockerCli(progress);
    case "psql":
      return psql(ways, progress);
  }
}

const fromGoModules = (name: string, version: string): string => `${name} ${version}, built from Go modules`;

async function vaultCli(ways: Ways, progress: Progress): Promise<ToolPart> {
  const name = "vault";
  const image = await ensureImage("vault", ways, progress);
  if (image.way === "offline") {
    const built = await goTool("vault", { ways, progress, env: process.env });
    const detail = fromGoModules("Vault", versions().tools.vault);
    return { name, cached: built.cached && image.cached, way: "offline", detail, path: built.path };
  }
  const path = join(cacheDir(), "tools", `vault-${keyOf(image.ref)}`, "vault");
  const detail = `from ${image.detail}`;
  if (existsSync(path)) return { name, cached: true, way: image.way, detail, path };
  mkdirSync(dirname(path), { recursive: true });
  const temporary = `${path}.${process.pid}.tmp`;
  await copyFromImage(image.ref, "/bin/vault", temporary);
  chmodSync(temporary, 0o755);
  renameSync(temporary, path);
  return { name, cached: false, way: image.way, detail, path };
}

/** A program that is needed beside an image of ours, but not beside the official one. */
async function companion(
  name: "vault-postgres-plugin" | "nginx-exporter",
  beside: ImageName,
  otherwise: string,
  ways: Ways,
  progress: Progress,
): Promise<ToolPart> {
  const image = await ensureImage(beside, ways, progress);
  if (image.way !== "offline") return { name, cached: true, way: "present", detail: otherwise, path: "" };
  const built = await goTool(name, { ways, progress, env: process.env });
  const detail = fromGoModules(goTools[name].binary, versions().tools[name]);
  return { name, cached: built.cached, way: "offline", detail, path: built.path };
}

/** The docker client: images are built and pulled through it, and the docker plugin talks to VM2 through it. */
export async function dockerCli(progress: Progress): Promise<ToolPart> {
  const name = "docker-cli";
  const own = await which("docker");
  if (own !== undefined) return { name, cached: true, way: "present", detail: own, path: own };
  // From Debian 13 on the client is a package of its own, before that it came with the engine.
  const known = await attempt("apt-cache", ["show", "--no-all-versions", "docker-cli"]);
  await installPackages([known.ok ? "docker-cli" : "docker.io"], "the docker client", progress);
  if ((await which("docker")) === undefined) await installPackages(["docker-cli"], "the docker client", progress);
  const path = (await which("docker")) ?? "docker";
  return { name, cached: false, way: "offline", detail: "from Debian's packages", path };
}

async function psql(ways: Ways, progress: Progress): Promise<ToolPart> {
  const name = "psql";
  const own = await which("psql");
  if (own !== undefined) return { name, cached: true, way: "present", detail: own, path: own };
  const image = await ensureImage("postgres", ways, progress);
  const path = join(stateDir, "bin", "psql");
  mkdirSync(dirname(path), { recursive: true });
  const variables = ["PGHOST", "PGPORT", "PGUSER", "PGDATABASE", "PGPASSWORD", "PGSSLMODE", "PGSSLROOTCERT"];
  // Where PGSSLROOTCERT names the sandbox's authority.
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
  return { name, cached: image.cached, way: image.way, detail: `out of the image ${image.ref}`, path };
}
