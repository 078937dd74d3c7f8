import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { UserError } from "../user-error.js";
import { baseRecipe, buildBase } from "./base-image.js";
import { buildImage, checkRoom, hasImage, keepImage, pullImage, restoreImage, tagImage } from "./docker.js";
import { explain, failure, lastLine } from "./failures.js";
import { buildGoTool, goToolPath, type GoToolName } from "./go-tools.js";
import { buildGrafana, grafanaKey } from "./grafana-image.js";
import { authoritiesFile, isDefaultHost, keyOfHost, readHostConfig, writeHostFiles } from "./host-config.js";
import { keyOf, keyOfDir } from "./keys.js";
import { npmPackage } from "./npm-packages.js";
import { offlineDir } from "./paths.js";
import { localRef, mirrored, overrideVariable, versionOf } from "./refs.js";
import type { ImageName, Part, Progress, Way, Ways } from "./types.js";
import { versions } from "./versions.js";

export type ImagePart = Part & { readonly ref: string };

const recipeDir = (name: string): string => join(offlineDir, "images", name);

/** Bytes to have free before anything is built: images, their archives in the cache, and Go's caches. */
const neededRoom = 6e9;

/** An image that is made here: from which images, with which files. */
interface Recipe {
  /** Build arguments that name other images. */
  readonly bases: Readonly<Record<string, ImageName>>;
  /** Everything else that decides the content. */
  readonly key: () => Promise<string> | string;
  /** Puts further files into the build context; the result is further build arguments. */
  readonly prepare?: (context: string, make: Maker) => Promise<Record<string, string>>;
}

interface Maker {
  readonly ways: Ways;
  readonly progress: Progress;
  readonly env: NodeJS.ProcessEnv;
}

const fromGo = (...tools: GoToolName[]): Pick<Recipe, "key" | "prepare"> => ({
  key: () => tools.map((tool) => goToolPath(tool).replace(/^.*\/tools\//, "")).join(" "),
  prepare: async (context, make) => {
    for (const tool of tools) {
      const built = await goTool(tool, make);
      cpSync(built.path, join(context, built.path.replace(/^.*\//, "")));
    }
    return {};
  },
});

const withHostFiles = (extra: Record<string, string> = {}): Pick<Recipe, "key" | "prepare"> => ({
  key: async () => keyOfHost(await readHostConfig()),
  prepare: async (context) => {
    const host = await readHostConfig();
    writeHostFiles(host, join(context, "host"));
    return Object.keys(host.authorities).length === 0 ? {} : extra;
  },
});

const debianKey = (): string => `${versions().debian.suite}-${versions().debian.revision}`;

/** Images that are built on every way: they only add to another one. */
const derived: Readonly<Partial<Record<ImageName, Recipe>>> = {
  base: { bases: { BASE: "base-plain" }, ...withHostFiles() },
  node: { bases: { BASE: "node-plain" }, ...withHostFiles({ CA_FILE: authoritiesFile }) },
  vm2: { bases: { BASE: "base" }, key: debianKey },
};

/** Images that stand in for an official one. */
const offline: Readonly<Partial<Record<ImageName, Recipe>>> = {
  "node-plain": {
    bases: { BASE: "base-plain" },
    key: () => JSON.stringify(versions().npm),
    prepare: async (context) => {
      const [node, npm] = await Promise.all([npmPackage("node"), npmPackage("npm")]);
      cpSync(join(node, "bin", "node"), join(context, "node"));
      cpSync(npm, join(context, "npm"), { recursive: true });
      return {};
    },
  },
  postgres: { bases: { BASE: "base" }, key: debianKey },
  registry: { bases: { BASE: "base" }, key: debianKey },
  prometheus: { bases: { BASE: "base" }, key: debianKey },
  nginx: { bases: { BASE: "base-plain", BUILD_BASE: "base" }, key: debianKey },
  vault: { bases: { BASE: "base-plain", BUILD_BASE: "base" }, ...fromGo("vault", "vault-postgres-plugin") },
  "nginx-exporter": { bases: { BASE: "base-plain" }, ...fromGo("nginx-exporter") },
};

/** A program from Go modules; machines without Go build it in an image that has Debian's. */
export function goTool(tool: GoToolName, make: Maker): Promise<{ path: string; cached: boolean }> {
  return buildGoTool(tool, () => builderImage(make), make.progress);
}

async function builderImage(make: Maker): Promise<string> {
  const base = (await image("base", make)).ref;
  const ref = `audit-sandbox/go-builder:${keyOf(base, keyOfDir(recipeDir("go-builder")))}`;
  if (!(await hasImage(ref))) await buildImage("go-builder", ref, recipeDir("go-builder"), { BASE: base });
  return ref;
}

const running = new Map<string, Promise<ImagePart>>();

/** Every image is made once per process, however many ask for it at the same time. */
function image(name: ImageName, make: Maker): Promise<ImagePart> {
  const id = `${name} ${make.ways.images} ${make.ways.mirror ?? ""} ${JSON.stringify(make.ways.overrides)}`;
  const known = running.get(id);
  if (known !== undefined) return known;
  const started = obtain(name, make);
  running.set(id, started);
  // A failure is not remembered: the circumstances may have been mended.
  started.catch(() => running.delete(id));
  return started;
}

/**
 * Makes an image present on the engine and says under which name.
 *
 * `base` and `node` are for build stages: they carry this machine's certificate authorities and registry addresses. What is
 * deployed to VM2 is made from `base-plain`, which does not; where a machine has none, they are the same.
 * @throws UserError naming cause and cure
 */
export function ensureImage(
  name: ImageName,
  ways: Ways,
  progress: Progress,
  env: NodeJS.ProcessEnv = process.env,
): Promise<ImagePart> {
  return image(name, { ways, progress, env });
}

async function obtain(name: ImageName, make: Maker): Promise<ImagePart> {
  const own = derived[name];
  if (own !== undefined) return derive(name, own, make);
  const override = make.ways.overrides[name];
  if (override !== undefined) return pulled(name, override, "official", make, true);
  const official = versions().images[name]?.official;
  if (make.ways.images !== "offline" && official !== undefined) {
    const { mirror } = make.ways;
    const [source, way]: [string, Way] =
      mirror === undefined ? [official, "official"] : [mirrored(official, mirror), "mirror"];
    try {
      return await pulled(name, source, way, make, make.ways.forced);
    } catch (error) {
      if (make.ways.forced || !(error instanceof PullFailed)) throw error;
      make.progress(`${source} cannot be pulled (${error.reason}); building ${name} from packages instead`);
    }
  }
  return built(name, make);
}

class PullFailed extends Error {
  constructor(readonly reason: string) {
    super(reason);
  }
}

/**
 * Pulls an image and gives it its local name, which stands for the source: what a mirror served is not taken for the vendor's.
 * @param must true when nothing else will do: then a failure is the operator's to mend
 */
async function pulled(name: ImageName, source: string, way: Way, make: Maker, must: boolean): Promise<ImagePart> {
  const ref = localRef(name, versionOf(source), keyOf(source));
  if (await hasImage(ref)) return { name, cached: true, way, detail: source, ref };
  if (await restoreImage(ref)) return { name, cached: true, way, detail: `${source}, from the cache`, ref };
  make.progress(`pulling ${source}`);
  const result = await pullImage(source);
  if (!result.ok) {
    // An image that exists on this engine only is a legitimate override.
    if (must && (await hasImage(source))) make.progress(`${source} cannot be pulled; taking this engine's own`);
    else if (must) {
      const setting = make.ways.overrides[name] === undefined ? "" : ` (set by ${overrideVariable(name)})`;
      throw failure(`pull ${source}${setting}`, result.output);
    } else if (explain(result.output)?.cause === "the disk is full") throw failure(`pull ${source}`, result.output);
    else throw new PullFailed(explain(result.output)?.cause ?? lastLine(result.output));
  }
  await tagImage(source, ref);
  await keepImage(ref);
  return { name, cached: false, way, detail: source, ref };
}

async function built(name: ImageName, make: Maker): Promise<ImagePart> {
  const version = versions().images[name]?.offline ?? "local";
  if (name === "base-plain") {
    const ref = localRef(name, version, keyOf(baseRecipe(await readHostConfig()), process.arch));
    return present(name, ref, `Debian ${version}, made of packages`, make, async () =>
      buildBase(ref, await readHostConfig(), make.progress),
    );
  }
  if (name === "grafana") {
    const node = await image("node-plain", make);
    const ref = localRef(name, version, keyOf(node.ref, await grafanaKey()));
    return present(name, ref, "a stand-in that previews the dashboards", make, () => {
      make.progress("building Grafana's stand-in");
      return buildGrafana(ref, node.ref);
    });
  }
  const recipe = offline[name];
  if (recipe === undefined) throw new UserError(`There is no way to make the image ${name} from package registries.`);
  return follow(name, version, recipe, make);
}

/** An image that adds something of ours to another one; where there is nothing to add it is the other one. */
async function derive(name: ImageName, recipe: Recipe, make: Maker): Promise<ImagePart> {
  if ((name === "base" || name === "node") && isDefaultHost(await readHostConfig())) {
    const plain = await image(`${name}-plain`, make);
    return { ...plain, name };
  }
  return follow(name, versions().images[name]?.offline ?? "host", recipe, make);
}

async function follow(name: ImageName, version: string, recipe: Recipe, make: Maker): Promise<ImagePart> {
  const bases: Record<string, string> = {};
  for (const [argument, base] of Object.entries(recipe.bases)) bases[argument] = (await image(base, make)).ref;
  const key = keyOf(keyOfDir(recipeDir(name)), await recipe.key(), process.arch, ...Object.values(bases));
  const ref = localRef(name, version, key);
  return present(name, ref, `${version}, built on ${Object.values(bases)[0] ?? "nothing"}`, make, async () => {
    const context = mkdtempSync(join(tmpdir(), `audit-sandbox-${name}-`));
    try {
      cpSync(recipeDir(name), context, { recursive: true });
      const further = (await recipe.prepare?.(context, make)) ?? {};
      make.progress(`building the image ${name}`);
      await buildImage(name, ref, context, { ...bases, ...further });
    } finally {
      rmSync(context, { recursive: true, force: true });
    }
  });
}

/** From the engine, else from the cache, else made. */
async function present(
  name: ImageName,
  ref: string,
  detail: string,
  make: Maker,
  build: () => Promise<void>,
): Promise<ImagePart> {
  if (await hasImage(ref)) return { name, cached: true, way: "offline", detail, ref };
  if (await restoreImage(ref)) return { name, cached: true, way: "offline", detail: `${detail}, from the cache`, ref };
  checkRoom(neededRoom, make.env);
  await build();
  await keepImage(ref);
  return { name, cached: false, way: "offline", detail, ref };
}
