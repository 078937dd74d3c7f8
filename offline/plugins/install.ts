import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join, relative } from "node:path";

/** What `installPlugins` has put under PULUMI_HOME. */
export interface InstalledPlugins {
  /** Whether everything was there already, built from the same sources. */
  readonly cached: boolean;
  /** Names and versions, e.g. `docker` `5.2.0`. The language host is not among them. */
  readonly plugins: readonly { readonly name: string; readonly version: string; readonly executable: string }[];
  /** The executable of the Node language host. The CLI finds it by itself in this PULUMI_HOME. */
  readonly languageHost: string;
}

/** One executable to build. */
interface Program {
  readonly kind: "resource" | "language";
  readonly name: string;
  readonly version: string;
  readonly main: string;
}

interface Manifest {
  readonly hash: string;
  readonly directories: readonly string[];
}

const require = createRequire(import.meta.url);
const pluginsDirectory = import.meta.dirname;
const languageDirectory = join(pluginsDirectory, "..", "language-nodejs");
const workspaceRoot = join(pluginsDirectory, "..", "..");

/**
 * Builds the stand-in plugins (each folder beside this file that has a `main.ts`) and the language host, and installs
 * them where the CLI looks for plugins under this PULUMI_HOME. Does nothing when that was done from the same sources.
 * Every plugin has the version of the installed SDK package, since that is what the engine asks for.
 *
 * @param pulumiHome - absolute path; created when missing
 * @throws Error when a source does not compile or the SDK of a plugin is not installed
 */
export async function installPlugins(pulumiHome: string): Promise<InstalledPlugins> {
  const programs = await findPrograms();
  const hash = await hashOfSources(programs);
  const manifestPath = join(pulumiHome, "stand-ins.json");
  const manifest = await readManifest(manifestPath);
  const cached = manifest?.hash === hash && programs.every((program) => existsSync(executableOf(pulumiHome, program)));
  if (!cached) {
    const directories = programs.map((program) => directoryOf(pulumiHome, program));
    // Of an earlier version of the SDKs; what else is installed there is not ours to remove.
    for (const stale of manifest?.directories ?? []) {
      const path = join(pulumiHome, stale);
      if (!directories.includes(path)) await rm(path, { recursive: true, force: true });
    }
    await rm(manifestPath, { force: true });
    await Promise.all(programs.map((program) => install(pulumiHome, program)));
    const written: Manifest = { hash, directories: directories.map((path) => relative(pulumiHome, path)) };
    await writeFile(manifestPath, `${JSON.stringify(written, undefined, 2)}\n`);
  }
  return {
    cached,
    plugins: programs
      .filter(({ kind }) => kind === "resource")
      .map((program) => ({
        name: program.name,
        version: program.version,
        executable: executableOf(pulumiHome, program),
      })),
    languageHost:
      programs.filter(({ kind }) => kind === "language").map((program) => executableOf(pulumiHome, program))[0] ?? "",
  };
}

function directoryOf(pulumiHome: string, { kind, name, version }: Program): string {
  return join(pulumiHome, "plugins", `${kind}-${name}-v${version}`);
}

function executableOf(pulumiHome: string, program: Program): string {
  return join(directoryOf(pulumiHome, program), `pulumi-${program.kind}-${program.name}`);
}

async function findPrograms(): Promise<Program[]> {
  const entries = await readdir(pluginsDirectory, { withFileTypes: true });
  const programs: Program[] = [];
  for (const { name } of entries.filter((entry) => entry.isDirectory())) {
    const main = join(pluginsDirectory, name, "main.ts");
    if (existsSync(main)) programs.push({ kind: "resource", name, version: await sdkVersion(name), main });
  }
  const sdk = await packageJson("@pulumi/pulumi");
  programs.push({
    kind: "language",
    name: "nodejs",
    version: sdk.version,
    main: join(languageDirectory, "main.ts"),
  });
  return programs;
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
async function hashOfSources(programs: readonly Program[]): Promise<string> {
  const hash = createHash("sha256").update(process.version);
  hash.update(await readFile(join(workspaceRoot, "package-lock.json")));
  hash.update(programs.map(({ kind, name, version }) => `${kind} ${name} ${version}`).join("\n"));
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

/** Builds beside the place and moves the result there at once, so that an interruption leaves no half plugin. */
async function install(pulumiHome: string, program: Program): Promise<void> {
  // Only here: most runs find everything installed, and these take longer to load than all the rest.
  const [{ build }, { launcher, prepareCodeCache }] = await Promise.all([import("esbuild"), import("./launcher.js")]);
  const target = directoryOf(pulumiHome, program);
  const scratch = join(dirname(target), `.${program.kind}-${program.name}.${process.pid}`);
  await rm(scratch, { recursive: true, force: true });
  await mkdir(scratch, { recursive: true });
  try {
    await build({
      entryPoints: [program.main],
      outfile: join(scratch, "bundle.cjs"),
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
    const executable = join(scratch, `pulumi-${program.kind}-${program.name}`);
    await writeFile(executable, launcher, { mode: 0o755 });
    // Without it the executable, which has no extension, would take its kind from a package.json further up.
    await writeFile(join(scratch, "package.json"), '{"type":"commonjs"}\n');
    await prepareCodeCache(executable, program.kind);
    await rm(target, { recursive: true, force: true });
    await rename(scratch, target);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}
