import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { basename, dirname, join, relative } from "node:path";
import { promisify } from "node:util";
import { standIns } from "./index.js";

/** What `installPlugins` has put under PULUMI_HOME. */
export interface InstalledPlugins {
  /** Whether everything was there already, built from the same sources. */
  readonly cached: boolean;
  /** Names and versions, e.g. `docker` `5.2.0`. The language host is not among them. */
  readonly plugins: readonly { readonly name: string; readonly version: string }[];
  /** The executable of the Node language host. The CLI finds it by itself in this PULUMI_HOME. */
  readonly languageHost: string;
}

/** A directory that the CLI takes for a plugin. */
interface Plugin {
  readonly kind: "resource" | "language";
  readonly name: string;
  readonly version: string;
}

interface Manifest {
  readonly hash: string;
  readonly directories: readonly string[];
}

/** A plugin without a program of its own has this file instead. */
const projectFile = "PulumiPlugin.yaml";

const require = createRequire(import.meta.url);
const pluginsDirectory = import.meta.dirname;
const languageDirectory = join(pluginsDirectory, "..", "language-nodejs");
const workspaceRoot = join(pluginsDirectory, "..", "..");

/**
 * Builds the language host, which holds the stand-in plugins as well, and installs it and them where the CLI looks for
 * plugins under this PULUMI_HOME. Does nothing when that was done from the same sources. Every plugin has the version of
 * the installed SDK package, since that is what the engine asks for.
 *
 * @param pulumiHome - absolute path; created when missing
 * @param node - absolute path of the Node that will run them and the program
 * @throws Error when a source does not compile or the SDK of a plugin is not installed
 */
export async function installPlugins(pulumiHome: string, node = process.execPath): Promise<InstalledPlugins> {
  const host: Plugin = { kind: "language", name: "nodejs", version: (await packageJson("@pulumi/pulumi")).version };
  const plugins = await Promise.all(
    standIns.map(async (name): Promise<Plugin> => ({ kind: "resource", name, version: await sdkVersion(name) })),
  );
  const all = [host, ...plugins];
  const hash = await hashOfSources(all, node);
  const manifestPath = join(pulumiHome, "stand-ins.json");
  const manifest = await readManifest(manifestPath);
  const executable = join(directoryOf(pulumiHome, host), "pulumi-language-nodejs");
  const files = [executable, ...plugins.map((plugin) => join(directoryOf(pulumiHome, plugin), projectFile))];
  const cached = manifest?.hash === hash && files.every((file) => existsSync(file));
  if (!cached) {
    const directories = all.map((plugin) => directoryOf(pulumiHome, plugin));
    // Of an earlier version of the SDKs; what else is installed there is not ours to remove.
    for (const stale of manifest?.directories ?? []) {
      const path = join(pulumiHome, stale);
      if (!directories.includes(path)) await rm(path, { recursive: true, force: true });
    }
    await rm(manifestPath, { force: true });
    await install(directoryOf(pulumiHome, host), (directory) => buildHost(directory, node));
    for (const plugin of plugins)
      await install(directoryOf(pulumiHome, plugin), (directory) =>
        // The CLI has the language host run a plugin with such a file.
        writeFile(join(directory, projectFile), `runtime:\n  name: nodejs\n  options:\n    standIn: ${plugin.name}\n`),
      );
    const written: Manifest = { hash, directories: directories.map((path) => relative(pulumiHome, path)) };
    await writeFile(manifestPath, `${JSON.stringify(written, undefined, 2)}\n`);
  }
  return { cached, plugins: plugins.map(({ name, version }) => ({ name, version })), languageHost: executable };
}

function directoryOf(pulumiHome: string, { kind, name, version }: Plugin): string {
  return join(pulumiHome, "plugins", `${kind}-${name}-v${version}`);
}

async function packageJson(name: string): Promise<{ version: string; pulumi?: { version?: string } }> {
  return JSON.parse(await readFile(require.resolve(`${name}/package.json`), "utf8")) as { version: string };
}

async function sdkVersion(plugin: string): Promise<string> {
  for (const scope of ["@pulumi", "@pulumiverse"]) {
    try {
      const sdk = await packageJson(`${scope}/${plugin}`);
      return sdk.pulumi?.version ?? sdk.version;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "MODULE_NOT_FOUND") throw error;
    }
  }
  throw new Error(`the SDK of the ${plugin} plugin is not installed: run npm ci`);
}

/** The sources, the versions of all packages that go into the bundles, and the Node that the code cache is for. */
async function hashOfSources(plugins: readonly Plugin[], node: string): Promise<string> {
  const { stdout: version } = await promisify(execFile)(node, ["--version"]);
  const hash = createHash("sha256").update(node).update(version);
  hash.update(await readFile(join(workspaceRoot, "package-lock.json")));
  hash.update(plugins.map(({ kind, name, version }) => `${kind} ${name} ${version}`).join("\n"));
  for (const directory of [pluginsDirectory, languageDirectory]) {
    const files = await readdir(directory, { withFileTypes: true, recursive: true });
    const paths = files.filter((file) => file.isFile()).map((file) => join(file.parentPath, file.name));
    for (const path of paths.sort()) {
      hash.update(`\0${relative(directory, path)}\0`).update(await readFile(path));
    }
  }
  return hash.digest("hex");
}

async function readManifest(path: string): Promise<Manifest | undefined> {
  try {
    return JSON.parse(await readFile(path, "utf8")) as Manifest;
  } catch {
    // Not there, or left half-written by an interrupted run: everything is built again.
    return undefined;
  }
}

/** Makes a directory beside its place and moves it there at once, so that an interruption leaves no half of it. */
async function install(target: string, make: (directory: string) => Promise<void>): Promise<void> {
  const scratch = join(dirname(target), `.${basename(target)}.${process.pid}`);
  await rm(scratch, { recursive: true, force: true });
  await mkdir(scratch, { recursive: true });
  try {
    await make(scratch);
    await rm(target, { recursive: true, force: true });
    await rename(scratch, target);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

async function buildHost(directory: string, node: string): Promise<void> {
  // Only here: most runs find everything installed, and these take longer to load than all the rest.
  const [{ build }, { launcher, prepareCodeCache }] = await Promise.all([import("esbuild"), import("./launcher.js")]);
  await build({
    entryPoints: [join(languageDirectory, "main.ts")],
    outfile: join(directory, "bundle.cjs"),
    bundle: true,
    platform: "node",
    format: "cjs",
    target: "node20",
    minify: true,
    legalComments: "none",
    logLevel: "silent",
    // Optional native parts of ssh2 and pg: their packages do without.
    external: ["*.node", "cpu-features", "pg-native"],
    absWorkingDir: workspaceRoot,
  });
  const executable = join(directory, "pulumi-language-nodejs");
  await writeFile(executable, launcher(node), { mode: 0o755 });
  // Without it the executable, which has no extension, would take its kind from a package.json further up.
  await writeFile(join(directory, "package.json"), '{"type":"commonjs"}\n');
  await prepareCodeCache(node, executable);
}
