import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { basename } from "node:path";
import { buffer } from "node:stream/consumers";
import { pack } from "tar-stream";

/**
 * Writes an image that contains one static program, in the format of `docker save`. It needs no engine, and equal
 * programs give equal archives.
 * @param reference the name under which `ctr images import` keeps it
 */
export async function writeScratchImage(reference: string, program: string, archive: string): Promise<void> {
  const layer = await tar({ [basename(program)]: readFileSync(program) }, 0o755);
  const config = JSON.stringify({
    // Go's name for it, which image configurations use.
    architecture: process.arch === "x64" ? "amd64" : process.arch,
    os: "linux",
    config: { Entrypoint: [`/${basename(program)}`] },
    rootfs: { type: "layers", diff_ids: [`sha256:${sha256(layer)}`] },
  });
  const manifest = [{ Config: `${sha256(config)}.json`, RepoTags: [reference], Layers: ["layer.tar"] }];
  const files = { [`${sha256(config)}.json`]: config, "layer.tar": layer, "manifest.json": JSON.stringify(manifest) };
  writeFileSync(archive, await tar(files, 0o644));
}

const sha256 = (content: string | Buffer): string => createHash("sha256").update(content).digest("hex");

async function tar(files: Readonly<Record<string, string | Buffer>>, mode: number): Promise<Buffer> {
  const stream = pack();
  for (const [name, content] of Object.entries(files)) stream.entry({ name, mode, mtime: new Date(0) }, content);
  stream.finalize();
  return buffer(stream);
}
