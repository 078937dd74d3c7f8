import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { UserError } from "../../../offline/lib/user-error.js";
import { versions } from "../../../offline/lib/versions.js";
import { platformImage, ScratchContainer } from "../../../offline/testing.js";
import { ensureImage } from "../../src/artifacts/images.js";
import type { Sources } from "../../src/artifacts/types.js";
import { ask, choose } from "../../src/artifacts/sources.js";

/** A registry like the sandbox's own plays the user's mirror; it serves only one image. */
describe("an image mirror", function () {
  this.timeout(120_000);
  const official = versions().images["nginx-exporter"]?.official ?? "";
  const lines: string[] = [];
  const progress = (line: string): void => void lines.push(line);
  const made: string[] = [];
  let registry: ScratchContainer;
  let address = "";
  let cache = "";
  const userCache = process.env.SANDBOX_CACHE;

  const sources = async (env: NodeJS.ProcessEnv): Promise<Sources> =>
    choose(env, { mirror: await ask(`http://${address}/v2/`), pulumi: { reason: "not asked in this test" } });

  before(async () => {
    const image = await platformImage("nginx-exporter");
    registry = await ScratchContainer.start(await platformImage("registry"), { ports: [5000] });
    address = `127.0.0.1:${registry.port(5000)}`;
    const pushed = `${address}/hub/${official}`;
    made.push(pushed);
    await execa("docker", ["tag", image, pushed]);
    for (let attempt = 0; (await ask(`http://${address}/v2/`)).status !== 200 && attempt < 50; attempt += 1) {
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    await execa("docker", ["push", "--quiet", pushed]);
    // This mirror's image is not real, so it must not get into the user's cache.
    cache = mkdtempSync(join(tmpdir(), "mirror-cache-"));
    process.env.SANDBOX_CACHE = cache;
  });

  after(async () => {
    if (userCache === undefined) delete process.env.SANDBOX_CACHE;
    else process.env.SANDBOX_CACHE = userCache;
    if (cache !== "") rmSync(cache, { recursive: true });
    await execa("docker", ["image", "rm", ...made], { reject: false });
    await registry.remove();
  });

  it("serves an image under its official name within the project", async () => {
    const artifact = await ensureImage(
      "nginx-exporter",
      await sources({ REGISTRY_MIRROR: `${address}/hub` }),
      progress,
    );
    made.push(artifact.ref);
    assert.deepEqual(
      [artifact.source, artifact.cached, artifact.detail],
      ["mirror", false, `${address}/hub/${official}`],
    );
    const { all } = await execa("docker", ["run", "--rm", artifact.ref, "--version"], { all: true });
    assert.match(all, /version.* 1\.\d+/);
  });

  it("is not asked again for an image that was pulled from it", async () => {
    const artifact = await ensureImage(
      "nginx-exporter",
      { ...(await sources({ REGISTRY_MIRROR: `${address}/hub` })), decidedAt: "later" },
      progress,
    );
    assert.equal(artifact.source, "mirror");
    assert.equal(lines.filter((line) => line.startsWith("pulling")).length, 1);
  });

  it("ends with a message when it is required and does not serve", async () => {
    const env = { SANDBOX_WAY: "official", REGISTRY_MIRROR: `${address}/elsewhere` };
    await assert.rejects(ensureImage("nginx-exporter", await sources(env), progress), (error) => {
      assert.ok(UserError.is(error));
      assert.equal(
        error.message,
        `Could not pull ${address}/elsewhere/${official}: the image registry does not have this image. ` +
          "Check the reference (REGISTRY_MIRROR, IMAGE_<NAME>, versions.json).",
      );
      return true;
    });
  });

  it("names the variable of an image that is set and cannot be pulled", async () => {
    const env = { IMAGE_NGINX_EXPORTER: `${address}/none:1` };
    await assert.rejects(
      ensureImage("nginx-exporter", await sources(env), progress),
      /Could not pull .*\/none:1 \(set by IMAGE_NGINX_EXPORTER\): the image registry does not have this image/,
    );
  });
});
