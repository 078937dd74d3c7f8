import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { Readable } from "node:stream";
import { extract, type Headers } from "tar-stream";
import { writeScratchImage } from "../../builders/scratch-image.js";

interface Entry {
  header: Headers;
  content: string;
}

async function entries(archive: Buffer | string): Promise<Map<string, Entry>> {
  const found = new Map<string, Entry>();
  const reader = extract();
  reader.on("entry", (header, stream, next) => {
    void text(stream).then((content) => {
      found.set(header.name, { header, content });
      next();
    });
  });
  const ended = new Promise<void>((resolve) => reader.on("finish", () => resolve()));
  Readable.from([Buffer.isBuffer(archive) ? archive : Buffer.from(archive, "binary")]).pipe(reader);
  await ended;
  return found;
}

describe("an image that is one program", () => {
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), "scratch-image-"));
  });
  afterEach(() => rmSync(dir, { recursive: true }));

  it("has the program alone, started by its name, and digests that fit", async () => {
    const program = join(dir, "pause");
    writeFileSync(program, "the program\n");
    await writeScratchImage("sandbox.test/pause:1", program, join(dir, "pause.tar"));
    const files = await entries(readFileSync(join(dir, "pause.tar")));
    const [manifest] = JSON.parse(files.get("manifest.json")?.content ?? "") as [
      { Config: string; RepoTags: string[]; Layers: string[] },
    ];
    assert.deepEqual([manifest.RepoTags, manifest.Layers], [["sandbox.test/pause:1"], ["layer.tar"]]);
    const config = files.get(manifest.Config)?.content ?? "";
    assert.equal(manifest.Config, `${createHash("sha256").update(config).digest("hex")}.json`);
    const layer = files.get("layer.tar")?.content ?? "";
    const digest = createHash("sha256").update(layer).digest("hex");
    const { config: run, rootfs } = JSON.parse(config) as { config: object; rootfs: { diff_ids: string[] } };
    assert.deepEqual(run, { Entrypoint: ["/pause"] });
    assert.deepEqual(rootfs.diff_ids, [`sha256:${digest}`]);
    const inside = await entries(layer);
    assert.deepEqual([...inside.keys()], ["pause"]);
    assert.equal(inside.get("pause")?.content, "the program\n");
    assert.equal(inside.get("pause")?.header.mode, 0o755);
  });

  it("is the same for the same program", async () => {
    const program = join(dir, "pause");
    writeFileSync(program, "the program\n");
    for (const name of ["one.tar", "two.tar"])
      await writeScratchImage("sandbox.test/pause:1", program, join(dir, name));
    assert.deepEqual(readFileSync(join(dir, "one.tar")), readFileSync(join(dir, "two.tar")));
  });
});
