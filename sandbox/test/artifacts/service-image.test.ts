import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { extract } from "tar-stream";
import { ensureServiceImage } from "../../src/images.js";
import type { Context } from "../../src/platform/context.js";

describe("the service's image", () => {
  let root: string;
  beforeEach(() => (root = mkdtempSync(join(tmpdir(), "service-"))));
  afterEach(() => rmSync(root, { recursive: true }));

  it("has files that its user can read, also from a checkout under a strict umask", async () => {
    mkdirSync(join(root, "audit-svc"), { mode: 0o700 });
    writeFileSync(join(root, "audit-svc/runtime-package.json"), "{}", { mode: 0o600 });
    writeFileSync(join(root, "audit-svc/run.sh"), "", { mode: 0o700 });
    const modes: Record<string, string | undefined> = {};
    const docker = {
      getImage: (name: string) => ({
        inspect: () => (name === "node" ? Promise.resolve({ Id: "1" }) : Promise.reject(new Error("no such image"))),
      }),
      buildImage: (tar: NodeJS.ReadableStream) => {
        const files = extract();
        files.on("entry", ({ name, mode }, content, next) => {
          modes[name] = mode?.toString(8);
          content.on("end", next).resume();
        });
        return pipeline(tar, files);
      },
      modem: { followProgress: (_: unknown, done: (error: null, events: []) => void) => done(null, []) },
    };
    const context = { engine: { docker }, settings: { root }, progress: () => undefined } as unknown as Context;
    await ensureServiceImage(context, { build: "node", run: "node" });
    assert.deepEqual(modes, { "audit-svc/run.sh": "755", "audit-svc/runtime-package.json": "644" });
  });
});
