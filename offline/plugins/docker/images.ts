import type { DockerContext } from "./context.js";
import { EngineError } from "./engine.js";
import { authHeader } from "./registry.js";

/** What is used of an image's inspect answer. */
export interface Image {
  Id: string;
  RepoDigests?: string[] | null;
}

/** The image as the engine has it, or undefined. */
export async function localImage(ctx: DockerContext, name: string): Promise<Image | undefined> {
  try {
    return (await ctx.engine.request("GET", `/images/${encodeURI(name)}/json`)) as Image;
  } catch (error) {
    if (error instanceof EngineError && error.status === 404) return undefined;
    throw error;
  }
}

/** The repository and the tag or digest of a name, as the pull request wants them. */
function reference(name: string): { fromImage: string; tag: string | undefined } {
  const at = name.indexOf("@");
  if (at > 0) return { fromImage: name.slice(0, at).replace(/:[^/:]*$/, ""), tag: name.slice(at + 1) };
  const tag = /:([^/:]+)$/.exec(name)?.[1];
  return { fromImage: tag === undefined ? name : name.slice(0, -tag.length - 1), tag: tag ?? "latest" };
}

/** The error in a pull's progress stream: it comes with status 200. */
function pullError(progress: string): string | undefined {
  for (const line of progress.split("\n")) {
    if (!line.includes('"error')) continue;
    const { error, errorDetail } = JSON.parse(line) as { error?: string; errorDetail?: { message?: string } };
    return errorDetail?.message ?? error;
  }
  return undefined;
}

/**
 * The image with this name: the engine's own, or pulled with the login of its registry. A tag that is present is never
 * pulled again, even if the registry has another image under it by now.
 *
 * @param platform as in `linux/arm64`; empty for the engine's own
 * @throws Error when the pull fails
 */
export async function findImage(ctx: DockerContext, name: string, platform: string): Promise<Image> {
  if (name === "") throw new Error("empty image name is not allowed");
  const here = await localImage(ctx, name);
  if (here !== undefined) return here;
  let progress: string;
  try {
    const answer = await ctx.engine.stream("POST", "/images/create", {
      query: { ...reference(name), platform: platform === "" ? undefined : platform },
      headers: { "X-Registry-Auth": authHeader(ctx.auths, name) },
    });
    progress = answer.toString();
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    throw new Error(`unable to pull image ${name}: error pulling image ${name}: ${error.message}`, { cause: error });
  }
  const pulled = await localImage(ctx, name);
  if (pulled !== undefined) return pulled;
  const why = pullError(progress);
  throw new Error(`unable to find or pull image ${name}${why === undefined ? "" : `: ${why}`}`);
}

/** The digest to show for an image under this name: the one of its own repository, where it has several. Empty when it was never in a registry. */
export function repoDigest(name: string, image: Image): string {
  const digests = image.RepoDigests ?? [];
  if (digests.length <= 1) return digests[0] ?? "";
  // Cut at the first colon as the genuine plugin does, so that a registry's port is cut off too.
  const repository = name.split(":")[0] ?? name;
  return digests.find((digest) => digest.startsWith(repository)) ?? digests[0] ?? "";
}
