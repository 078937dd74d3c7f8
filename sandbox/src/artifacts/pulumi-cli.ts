import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { goTool, npmArch } from "../../../offline/index.js";
import { failure } from "../../../offline/lib/failures.js";
import { cacheDir } from "../../../offline/lib/paths.js";
import { attempt } from "../../../offline/lib/run.js";
import { UserError } from "../../../offline/lib/user-error.js";
import { versions } from "../../../offline/lib/versions.js";
import type { Progress } from "../display.js";
import { download, sha256 } from "./download.js";
import { builderContext } from "./images.js";
import type { Artifact, Sources } from "./types.js";
import { pulumiUrl } from "./sources.js";

/**
 * The Pulumi CLI. The vendor's archive includes the language hosts, in the same directory; the build from Go modules
 * does not, because they are not published as modules.
 */
export async function ensurePulumiCli(
  sources: Sources,
  progress: Progress,
): Promise<Artifact & { readonly path: string }> {
  const version = versions().tools.pulumi;
  if (sources.pulumi === "official") {
    try {
      return await vendors(version, progress);
    } catch (error) {
      if (sources.forced || !UserError.is(error)) throw error;
      progress(`${error.message.split("\n")[0] ?? ""} Building Pulumi from Go modules instead`);
    }
  }
  const built = await goTool("pulumi", builderContext(sources, progress));
  const detail = `Pulumi ${version}, built from Go modules`;
  return { name: "pulumi", cached: built.cached, source: "offline", detail, path: built.path };
}

/** The checksum of one file in a checksum file. */
export function checksumOf(text: string, file: string): string | undefined {
  const line = text.split("\n").find((candidate) => candidate.trim().endsWith(` ${file}`));
  return /^([0-9a-f]{64})\s/.exec(line?.trim() ?? "")?.[1];
}

async function vendors(version: string, progress: Progress): Promise<Artifact & { readonly path: string }> {
  const arch = npmArch();
  const url = pulumiUrl(version, arch);
  const dir = join(cacheDir(), "tools", `pulumi-${version}-official-${arch}`);
  const path = join(dir, "pulumi");
  const detail = `Pulumi ${version} from get.pulumi.com`;
  if (existsSync(path)) return { name: "pulumi", cached: true, source: "official", detail, path };
  mkdirSync(join(cacheDir(), "tools"), { recursive: true });
  const work = mkdtempSync(join(cacheDir(), "tools", "tmp-"));
  try {
    progress(`downloading Pulumi ${version}`);
    const archive = join(work, "pulumi.tar.gz");
    const sums = join(work, "checksums.txt");
    await Promise.all([
      download(url, archive),
      download(`https://get.pulumi.com/releases/sdk/pulumi-${version}-checksums.txt`, sums),
    ]);
    const expected = checksumOf(readFileSync(sums, "utf8"), `pulumi-v${version}-linux-${arch}.tar.gz`);
    const actual = await sha256(archive);
    if (actual !== expected) {
      throw new UserError(
        `${url} does not have the checksum that Pulumi publishes for it (${expected ?? "none"}, got ${actual}). Something on the way changes downloads.`,
      );
    }
    const unpacked = await attempt("tar", ["-xzf", archive, "-C", work]);
    if (!unpacked.ok) throw failure("unpack Pulumi", unpacked.all);
    if (!existsSync(dir)) renameSync(join(work, "pulumi"), dir);
    return { name: "pulumi", cached: false, source: "official", detail, path };
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}
