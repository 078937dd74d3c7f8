import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { importImage } from "../lib/docker.js";
import { asRoot, installPackages, which } from "../lib/packages.js";
import { cacheDir } from "../lib/paths.js";
import { attempt, runLogged, type Progress } from "../lib/run.js";
import { versions } from "../lib/versions.js";
import { debianSources, type HostConfig } from "./host-config.js";

/** Also excluded from every image built on the base, because dpkg's configuration file with these rules stays in it. */
const excludes = [
  "path-exclude=/usr/share/doc/*",
  "path-include=/usr/share/doc/*/copyright",
  "path-exclude=/usr/share/man/*",
  "path-exclude=/usr/share/info/*",
  "path-exclude=/usr/share/locale/*",
  "path-exclude=/usr/share/lintian/*",
];

/** The parts of the recipe that determine the content; of this machine's sources, only whether there are any. */
export const baseRecipe = (host: HostConfig): string =>
  JSON.stringify([
    ...[versions().debian.suite, versions().debian.revision, excludes],
    ...(debianSources(host).length > 0 ? [] : ["the default sources"]),
  ]);

/** Makes the image that Debian calls "minbase": what debian:trixie-slim has, plus ca-certificates. About 50 s. */
export async function buildBase(ref: string, host: HostConfig, progress: Progress): Promise<void> {
  if ((await which("mmdebstrap")) === undefined) {
    await installPackages(["mmdebstrap", "debian-archive-keyring"], "mmdebstrap, which makes the base image", progress);
  }
  const { suite } = versions().debian;
  const sources = debianSources(host);
  mkdirSync(cacheDir(), { recursive: true });
  const work = mkdtempSync(join(tmpdir(), "audit-sandbox-base-"));
  const tar = join(work, "base.tar");
  // Without root, mmdebstrap needs user namespaces, which many kernels forbid; so root mode is used if available.
  const userNamespaces = await attempt("unshare", ["--user", "--map-root-user", "true"]);
  const root = userNamespaces.ok ? [] : await asRoot("Making the base image");
  const [file = "mmdebstrap", ...prefix] = [...root, "mmdebstrap"];
  progress(`making the base image from Debian ${suite}'s packages (about a minute)`);
  try {
    await runLogged("make the base image", "image-base-plain", file, [
      ...prefix,
      "--variant=minbase",
      "--include=ca-certificates",
      ...excludes.map((line) => `--dpkgopt=${line}`),
      '--aptopt=Acquire::Languages "none"',
      '--aptopt=APT::Install-Recommends "false"',
      // Deployed images must not name this machine's package sources; images for building get them (host-config.ts).
      ...(sources.length > 0 ? ['--customize-hook=: > "$1/etc/apt/sources.list"'] : []),
      ...[suite, tar, ...sources],
    ]);
    await importImage("base-plain", tar, ref);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}
