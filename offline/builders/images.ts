import { cpSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildImage, checkRoom, hasImage, keepImage, openContext, restoreImage } from "../lib/docker.js";
import { localRef, type ImageName } from "../lib/image-names.js";
import { keyOf, keyOfDir } from "../lib/keys.js";
import { offlineDir } from "../lib/paths.js";
import type { Progress } from "../lib/run.js";
import { UserError } from "../lib/user-error.js";
import { versions } from "../lib/versions.js";
import { baseRecipe, buildBase } from "./base-image.js";
import { buildGoTool, goToolPath, type GoToolName } from "./go-tools.js";
import { buildGrafana, grafanaKey } from "./grafana-image.js";
import { authoritiesFile, isDefaultHost, keyOfHost, readHostConfig, writeHostFiles } from "./host-config.js";
import { npmPackage } from "./npm-packages.js";
import { writeScratchImage } from "./scratch-image.js";

/** What the caller passes to the builders. */
export interface BuilderContext {
  /** Returns the reference of an image to build on or in, from any of the caller's sources. */
  readonly image: (name: ImageName) => Promise<string>;
  readonly progress: Progress;
  readonly env: NodeJS.ProcessEnv;
}

export interface MadeImage {
  readonly ref: string;
  /** True when it was on the engine or in the cache. */
  readonly cached: boolean;
  /** One line for the operator. */
  readonly detail: string;
}

const recipeDir = (name: string): string => join(offlineDir, "images", name);

/** Free bytes required before anything is built: for images, their archives in the cache, and Go's caches. */
const neededRoom = 6e9;

/** An image that is built here: from which images, with which files. */
interface Recipe {
  /** Build arguments that name other images. */
  readonly bases: Readonly<Record<string, ImageName>>;
  /** Everything else that determines the content. */
  readonly key: () => Promise<string> | string;
  /** Puts further files into the build context; the result is further build arguments. */
  readonly prepare?: (context: string, builder: BuilderContext) => Promise<Record<string, string>>;
}

const fromGo = (...tools: GoToolName[]): Pick<Recipe, "key" | "prepare"> => ({
  key: () => tools.map((tool) => goToolPath(tool).replace(/^.*\/tools\//, "")).join(" "),
  prepare: async (context, builder) => {
    for (const tool of tools) {
      const built = await goTool(tool, builder);
      cpSync(built.path, join(context, built.path.replace(/^.*\//, "")), { recursive: true });
    }
    return {};
  },
});

const debianKey = (): string => `${versions().debian.suite}-${versions().debian.revision}`;

/** A node of a cluster: Kubernetes' programs, and the images that it has from the start. */
const kubernetesNode: Pick<Recipe, "key" | "prepare"> = {
  key: () => `${debianKey()} ${fromGo("kubernetes", "coredns", "pause").key() as string}`,
  prepare: async (context, builder) => {
    await fromGo("kubernetes").prepare?.(context, builder);
    mkdirSync(join(context, "images"));
    for (const name of ["coredns", "pause"] as const) {
      const { path } = await goTool(name, builder);
      const reference = `sandbox.test/${name}:${versions().tools[name]}`;
      await writeScratchImage(reference, path, join(context, "images", `${name}.tar`));
    }
    return { PAUSE_VERSION: versions().tools.pause };
  },
};

const withHostFiles = (extra: Record<string, string> = {}): Pick<Recipe, "key" | "prepare"> => ({
  key: async () => keyOfHost(await readHostConfig()),
  prepare: async (context) => {
    const host = await readHostConfig();
    writeHostFiles(host, join(context, "host"));
    return Object.keys(host.authorities).length === 0 ? {} : extra;
  },
});

/** Images that only add something of ours to another image, whatever its source. */
const derived: Readonly<Partial<Record<ImageName, Recipe>>> = {
  base: { bases: { BASE: "base-plain" }, ...withHostFiles() },
  node: { bases: { BASE: "node-plain" }, ...withHostFiles({ CA_FILE: authoritiesFile }) },
  vm2: { bases: { BASE: "base" }, key: debianKey },
};

/** Images that stand in for an official one. */
const standIns: Readonly<Partial<Record<ImageName, Recipe>>> = {
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
  "kubernetes-node": { bases: { BASE: "base" }, ...kubernetesNode },
};

/** Whether an image only adds to another one; then it is built here even if official images are available. */
export const isDerived = (name: ImageName): boolean => derived[name] !== undefined;

/** Whether `base` and `node` have anything to add on this machine; otherwise the plain images are used for them. */
export const hostNeedsFiles = async (): Promise<boolean> => !isDefaultHost(await readHostConfig());

/** A program from Go modules; machines without Go build it in an image that has Debian's. */
export function goTool(tool: GoToolName, builder: BuilderContext): Promise<{ path: string; cached: boolean }> {
  return buildGoTool(tool, () => builderImage(builder), builder.progress);
}

async function builderImage(builder: BuilderContext): Promise<string> {
  const base = await builder.image("base");
  const ref = `audit-sandbox/go-builder:${keyOf(base, keyOfDir(recipeDir("go-builder")))}`;
  if (!(await hasImage(ref))) await buildImage("go-builder", ref, recipeDir("go-builder"), { BASE: base });
  return ref;
}

/**
 * Makes an image available on the engine, from package registries alone, and returns its name there.
 * @throws UserError naming cause and cure
 */
export async function makeImage(name: ImageName, builder: BuilderContext): Promise<MadeImage> {
  const version = versions().images[name]?.offline ?? (isDerived(name) ? "host" : "local");
  if (name === "base-plain") {
    const ref = localRef(name, version, keyOf(baseRecipe(await readHostConfig()), process.arch));
    return present(ref, `Debian ${version}, made of packages`, builder, async () =>
      buildBase(ref, await readHostConfig(), builder.progress),
    );
  }
  if (name === "grafana") {
    const node = await builder.image("node-plain");
    const ref = localRef(name, version, keyOf(node, await grafanaKey()));
    return present(ref, "a stand-in that previews the dashboards", builder, () => {
      builder.progress("building Grafana's stand-in");
      return buildGrafana(ref, node);
    });
  }
  const recipe = derived[name] ?? standIns[name];
  if (recipe === undefined) throw new UserError(`There is no way to make the image ${name} from package registries.`);
  return follow(name, version, recipe, builder);
}

async function follow(name: ImageName, version: string, recipe: Recipe, builder: BuilderContext): Promise<MadeImage> {
  const bases: Record<string, string> = {};
  for (const [argument, base] of Object.entries(recipe.bases)) bases[argument] = await builder.image(base);
  const key = keyOf(keyOfDir(recipeDir(name)), await recipe.key(), process.arch, ...Object.values(bases));
  const ref = localRef(name, version, key);
  return present(ref, `${version}, built on ${Object.values(bases)[0] ?? "nothing"}`, builder, async () => {
    const context = mkdtempSync(join(tmpdir(), `audit-sandbox-${name}-`));
    try {
      cpSync(recipeDir(name), context, { recursive: true });
      const further = (await recipe.prepare?.(context, builder)) ?? {};
      await openContext(context);
      builder.progress(`building the image ${name}`);
      await buildImage(name, ref, context, { ...bases, ...further });
    } finally {
      rmSync(context, { recursive: true, force: true });
    }
  });
}

/** Takes the image from the engine, or from the cache, or builds it. */
async function present(
  ref: string,
  detail: string,
  builder: BuilderContext,
  build: () => Promise<void>,
): Promise<MadeImage> {
  if (await hasImage(ref)) return { cached: true, detail, ref };
  if (await restoreImage(ref)) return { cached: true, detail: `${detail}, from the cache`, ref };
  checkRoom(neededRoom, builder.env);
  await build();
  await keepImage(ref);
  return { cached: false, detail, ref };
}
