/** An image by digest, in parts. */
export interface ImageReference {
  /** host[:port] that it is pulled from, in lower case. */
  registry: string;
  /** Path of the image at that registry. */
  repository: string;
  /** `sha256:<64 hex>`. */
  digest: string;
  /** The normalized form that the program uses: `registry/repository@digest`. */
  name: string;
}

const HUB = "docker.io";
const HOST = /^(\[[0-9a-f:.]+\]|[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?)(?::\d{1,5})?$/;
const REPOSITORY = /^[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*)*$/;

/**
 * Parses a reference as the docker CLI does: a tag beside the digest is dropped, a registry's name is not
 * case-sensitive, and a name without a registry is on Docker Hub.
 *
 * @param text `[registry/]name[:tag]@sha256:<64 hex>`
 * @returns if it is not an image by digest, what is wrong: the end of a sentence, which does not repeat the text
 */
export function imageByDigest(text: string): ImageReference | string {
  const [, named = "", digest] = /^([^@]*)@(sha256:[0-9a-f]{64})$/.exec(text) ?? [];
  if (digest === undefined) {
    return "must name an image by digest, registry/name@sha256:<64 hex>; a tag can move under a running release";
  }
  // A slash follows a registry's port; nothing follows a tag.
  const untagged = named.replace(/:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/, "");
  const slash = untagged.indexOf("/");
  const first = slash < 0 ? "" : untagged.slice(0, slash);
  const hasRegistry = /[.:]/.test(first) || first === "localhost" || first !== first.toLowerCase();
  const registry = hasRegistry ? first.toLowerCase() : HUB;
  const path = hasRegistry ? untagged.slice(slash + 1) : untagged;
  const repository = registry === HUB && !path.includes("/") ? `library/${path}` : path;
  if (!HOST.test(registry)) return "has no usable registry before its first slash; write registry/name@sha256:<64 hex>";
  if (!REPOSITORY.test(repository))
    return "has no usable name after its registry; a name has small letters, digits and - . _ between them";
  return { registry, repository, digest, name: `${registry}/${repository}@${digest}` };
}
