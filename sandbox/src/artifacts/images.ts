import { hostNeedsFiles, isDerived, makeImage, type BuilderContext } from "../../../offline/index.js";
import { hasImage, keepImage, pullImage, restoreImage, tagImage } from "../../../offline/lib/docker.js";
import { explain, failure, lastLine } from "../../../offline/lib/failures.js";
import { localRef, type ImageName } from "../../../offline/lib/image-names.js";
import { keyOf } from "../../../offline/lib/keys.js";
import { versions } from "../../../offline/lib/versions.js";
import type { Progress } from "../display.js";
import { mirrored, overrideVariable, versionOf } from "./refs.js";
import type { Artifact, Source, Sources } from "./types.js";

export type ImageArtifact = Artifact & { readonly ref: string };

/** Where the images of this run come from, and where progress goes. */
interface Run {
  readonly sources: Sources;
  readonly progress: Progress;
  readonly env: NodeJS.ProcessEnv;
}

const running = new Map<string, Promise<ImageArtifact>>();

/** Each image is made once per process, even if several callers ask for it at the same time. */
function image(name: ImageName, run: Run): Promise<ImageArtifact> {
  const id = `${name} ${run.sources.images} ${run.sources.mirror ?? ""} ${JSON.stringify(run.sources.overrides)}`;
  const known = running.get(id);
  if (known !== undefined) return known;
  const started = obtain(name, run);
  running.set(id, started);
  // Do not cache a failure: its cause may be gone by the next attempt.
  started.catch(() => running.delete(id));
  return started;
}

/**
 * Makes an image available on the engine and returns its name there.
 *
 * `base` and `node` are for build stages: they carry this machine's certificate authorities and registry addresses.
 * What is deployed to VM2 is built on `base-plain`, which does not; on a machine without such settings they are the
 * same.
 * @throws UserError naming cause and cure
 */
export function ensureImage(
  name: ImageName,
  sources: Sources,
  progress: Progress,
  env: NodeJS.ProcessEnv = process.env,
): Promise<ImageArtifact> {
  return image(name, { sources, progress, env });
}

/** Context for the builders in `offline/`, with this run's base images. */
export function builderContext(
  sources: Sources,
  progress: Progress,
  env: NodeJS.ProcessEnv = process.env,
): BuilderContext {
  return { image: async (name) => (await image(name, { sources, progress, env })).ref, progress, env };
}

async function obtain(name: ImageName, run: Run): Promise<ImageArtifact> {
  if (isDerived(name)) {
    // Without anything to add, they are the plain images.
    if ((name === "base" || name === "node") && !(await hostNeedsFiles()))
      return { ...(await image(`${name}-plain`, run)), name };
    return made(name, run);
  }
  const override = run.sources.overrides[name];
  if (override !== undefined) return pulled(name, override, "official", run, true);
  const official = versions().images[name]?.official;
  if (run.sources.images !== "offline" && official !== undefined) {
    const { mirror } = run.sources;
    const [reference, source]: [string, Source] =
      mirror === undefined ? [official, "official"] : [mirrored(official, mirror), "mirror"];
    try {
      return await pulled(name, reference, source, run, run.sources.forced);
    } catch (error) {
      if (run.sources.forced || !(error instanceof PullFailed)) throw error;
      run.progress(`${reference} cannot be pulled (${error.reason}); building ${name} from packages instead`);
    }
  }
  return made(name, run);
}

async function made(name: ImageName, { sources, progress, env }: Run): Promise<ImageArtifact> {
  return { name, source: "offline", ...(await makeImage(name, builderContext(sources, progress, env))) };
}

class PullFailed extends Error {
  constructor(readonly reason: string) {
    super(reason);
  }
}

/**
 * Pulls an image and gives it a local name derived from its reference, so that a mirror's image is not taken for the
 * vendor's.
 * @param must true if there is no alternative, so that the operator has to fix a failure
 */
async function pulled(
  name: ImageName,
  reference: string,
  source: Source,
  run: Run,
  must: boolean,
): Promise<ImageArtifact> {
  const ref = localRef(name, versionOf(reference), keyOf(reference));
  if (await hasImage(ref)) return { name, cached: true, source, detail: reference, ref };
  if (await restoreImage(ref)) return { name, cached: true, source, detail: `${reference}, from the cache`, ref };
  run.progress(`pulling ${reference}`);
  const result = await pullImage(reference);
  if (!result.ok) {
    // An image that exists on this engine only is a legitimate override.
    if (must && (await hasImage(reference))) run.progress(`${reference} cannot be pulled; taking this engine's own`);
    else if (must) {
      const setting = run.sources.overrides[name] === undefined ? "" : ` (set by ${overrideVariable(name)})`;
      throw failure(`pull ${reference}${setting}`, result.output);
    } else if (explain(result.output)?.cause === "the disk is full") throw failure(`pull ${reference}`, result.output);
    else throw new PullFailed(explain(result.output)?.cause ?? lastLine(result.output));
  }
  await tagImage(reference, ref);
  await keepImage(ref);
  return { name, cached: false, source, detail: reference, ref };
}
