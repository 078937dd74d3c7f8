import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { PUBLISHED_DASHBOARD, PublishedDashboardError, publishedDashboard } from "../../../dashboards";
import { type PublishedFile, type Source, cachePath } from "../../../dashboards/published";

const content = '{"title":"NGINX"}';
const file: PublishedFile = {
  url: "https://publisher.example/dashboard.json",
  module: { path: "publisher.example/exporter", version: "v1.0.0", file: "dashboard.json" },
  sha256: createHash("sha256").update(content).digest("hex"),
};

const gives = (name: string, text: string): Source => ({ name, read: async () => Buffer.from(text) });
const fails = (name: string, error: Error): Source => ({
  name,
  read: async () => {
    throw error;
  },
});

describe("the published dashboard", () => {
  let cacheDirectory: string;

  beforeEach(async () => {
    cacheDirectory = await mkdtemp(join(tmpdir(), "published-"));
  });

  afterEach(async () => {
    await rm(cacheDirectory, { recursive: true });
  });

  it("is taken from the first source that has it, and cached", async () => {
    const sources = [
      fails("first", new Error("away")),
      gives("second", content),
      fails("third", new Error("not asked")),
    ];
    assert.equal(await publishedDashboard({ cacheDirectory, file, sources }), content);
    assert.deepEqual(await readdir(cacheDirectory), [`nginx-dashboard-${file.sha256.slice(0, 16)}.json`]);
    assert.equal(await readFile(cachePath({ cacheDirectory, file }), "utf8"), content);
  });

  it("is not fetched again", async () => {
    await publishedDashboard({ cacheDirectory, file, sources: [gives("first", content)] });
    assert.equal(await publishedDashboard({ cacheDirectory, file, sources: [] }), content);
  });

  it("is fetched again if the copy was changed", async () => {
    await writeFile(cachePath({ cacheDirectory, file }), "{}");
    assert.equal(await publishedDashboard({ cacheDirectory, file, sources: [gives("first", content)] }), content);
    assert.equal(await readFile(cachePath({ cacheDirectory, file }), "utf8"), content);
  });

  it("is refused with another checksum, with each source's reason", async () => {
    const other = createHash("sha256").update("{}").digest("hex");
    const failed = new TypeError("fetch failed", { cause: new Error("getaddrinfo ENOTFOUND publisher.example") });
    const timeout = new DOMException("The operation was aborted due to timeout", "TimeoutError");
    const missing = Object.assign(new Error("spawn go ENOENT"), { code: "ENOENT", syscall: "spawn go" });
    await assert.rejects(
      publishedDashboard({
        cacheDirectory,
        file,
        sources: [gives("a", "{}"), fails("b", failed), fails("c", timeout), fails("d", missing)],
      }),
      (error: Error) => {
        assert.ok(error instanceof PublishedDashboardError);
        assert.equal(
          error.message,
          [
            "The published dashboard of the nginx exporter could not be fetched.",
            `  - a: the file's SHA-256 is ${other}, not the pinned ${file.sha256}`,
            "  - b: getaddrinfo ENOTFOUND publisher.example",
            "  - c: no answer within 5 s",
            "  - d: the command go is not installed",
            `Put the file there by hand to go on without these sources: ${cachePath({ cacheDirectory, file })}`,
          ].join("\n"),
        );
        return true;
      },
    );
    assert.deepEqual(await readdir(cacheDirectory), [], "nothing wrong is kept");
  });

  it("is pinned at the version of the exporter that runs", async () => {
    const versions = JSON.parse(await readFile("versions.json", "utf8")) as { tools: Record<string, string> };
    const version = versions.tools["nginx-exporter"];
    assert.equal(PUBLISHED_DASHBOARD.module.version, `v${version}`);
    assert.match(PUBLISHED_DASHBOARD.url, new RegExp(`/v${version}/`));
  });
});
