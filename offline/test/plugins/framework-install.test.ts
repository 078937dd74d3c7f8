import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { appendFile, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { installPlugins, type InstalledPlugins } from "../../plugins/install.js";

const require = createRequire(import.meta.url);

/** The port that the language host, or with `--plugin` a stand-in, prints at its start; it is ended at once. */
async function portOf(executable: string, ...options: string[]): Promise<string> {
  const child = spawn(executable, [...options, "127.0.0.1:9"], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { PATH: process.env.PATH },
  });
  const closed = once(child, "close");
  const [line] = (await once(createInterface(child.stdout), "line")) as [string];
  child.kill("SIGINT");
  assert.deepEqual(await closed, [0, null], "ends at SIGINT, the engine's way to end a plugin");
  return line;
}

describe("installing the stand-ins", function () {
  this.timeout(120_000);
  let home: string;
  let installed: InstalledPlugins;
  before(async () => {
    home = await mkdtemp(join(tmpdir(), "pulumi-home-"));
    installed = await installPlugins(home);
  });
  after(() => rm(home, { recursive: true }));

  it("puts every plugin where the CLI looks for the version of its SDK", async () => {
    assert.equal(installed.cached, false);
    const names = installed.plugins.map(({ name }) => name).sort();
    assert.deepEqual(names, ["command", "docker", "grafana", "postgresql", "random", "vault"]);
    for (const { name, version } of installed.plugins) {
      const scope = name === "grafana" ? "@pulumiverse" : "@pulumi";
      const sdk = require(`${scope}/${name}/package.json`) as { version: string };
      assert.equal(version, sdk.version);
      const file = join(home, "plugins", `resource-${name}-v${version}`, "PulumiPlugin.yaml");
      assert.equal(await readFile(file, "utf8"), `runtime:\n  name: nodejs\n  options:\n    standIn: ${name}\n`);
    }
    assert.equal((await stat(installed.languageHost)).mode & 0o777, 0o755);
    assert.match(installed.languageHost, /\/plugins\/language-nodejs-v[\d.]+\/pulumi-language-nodejs$/);
  });

  it("leaves nothing but one executable that starts, with each plugin, without this repository's packages", async () => {
    const directories = await readdir(join(home, "plugins"));
    assert.equal(directories.length, 7, directories.join(" "));
    assert.match(await portOf(installed.languageHost), /^\d+$/);
    for (const { name } of installed.plugins)
      assert.match(await portOf(installed.languageHost, "--plugin", name), /^\d+$/);
  });

  it("starts without its code cache, and with one that does not fit", async () => {
    const { languageHost } = installed;
    const cache = join(languageHost, "..", "bundle.cache");
    const good = await readFile(cache);
    await writeFile(cache, good.subarray(0, 1000));
    assert.match(await portOf(languageHost), /^\d+$/);
    await rm(cache);
    assert.match(await portOf(languageHost), /^\d+$/);
    await writeFile(cache, good);
  });

  it("is run by the Node that it was made for, whatever PATH has", async () => {
    const child = spawn(installed.languageHost, ["--version"], { env: { PATH: "/nowhere" } });
    const [line] = (await once(createInterface(child.stdout), "line")) as [string];
    assert.match(line, /^\d+\.\d+\.\d+$/);
    assert.ok((await readFile(installed.languageHost, "utf8")).includes(`exec '${process.execPath}' "$0" "$@"`));
  });

  it("does nothing the second time, and leaves what is not its own alone", async () => {
    const foreign = join(home, "plugins", "resource-aws-v6.0.0");
    await mkdir(foreign);
    const before = await stat(installed.languageHost);
    assert.equal((await installPlugins(home)).cached, true);
    assert.equal((await stat(installed.languageHost)).ino, before.ino);
    // A version that an SDK has left behind goes; a plugin that somebody else has put there stays.
    const manifest = join(home, "stand-ins.json");
    const stale = "plugins/resource-docker-v0.0.1";
    await mkdir(join(home, stale));
    const written = JSON.parse(await readFile(manifest, "utf8")) as { hash: string; directories: string[] };
    await writeFile(
      manifest,
      JSON.stringify({ hash: "of other sources", directories: [...written.directories, stale] }),
    );
    assert.equal((await installPlugins(home)).cached, false);
    await assert.rejects(stat(join(home, stale)), { code: "ENOENT" });
    await stat(foreign);
    await rm(foreign, { recursive: true });
  });

  it("builds again what an interruption or a hand has left incomplete", async () => {
    const [{ name, version }] = installed.plugins as [InstalledPlugins["plugins"][0]];
    for (const file of [installed.languageHost, join(home, "plugins", `resource-${name}-v${version}`)]) {
      await rm(file, { recursive: true });
      assert.equal((await installPlugins(home)).cached, false);
      await stat(file);
    }
    await appendFile(join(home, "stand-ins.json"), "{");
    assert.equal((await installPlugins(home)).cached, false);
    assert.equal((await installPlugins(home)).cached, true);
  });
});
