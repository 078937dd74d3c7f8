import { Registry, type Manifest } from "../ci/lib/registry";
import type { Values } from "../config";
import { imageByDigest, type ImageReference } from "../lib/image-reference";

/** A login to a registry. */
export interface Login {
  readonly username: string;
  readonly password: string;
}

/** The login that a deploy pulls with from this registry, if it has one: it is for the registry of audit:image alone. */
export function pullLogin(values: Values, registry: string): Login | undefined {
  const { image, registryUsername: username, registryPassword: password } = values;
  const own = imageByDigest(image);
  if (typeof own === "string" || own.registry !== registry) return undefined;
  return username && password ? { username, password } : undefined;
}

/** What a registry has by a tag or digest; undefined for nothing. @throws Failure if it does not say */
export function manifestOf(
  { registry, repository }: Pick<ImageReference, "registry" | "repository">,
  reference: string,
  login: Login | undefined,
): Promise<Manifest | undefined> {
  const host = registry === "docker.io" ? "registry-1.docker.io" : registry;
  const settings = { address: "the image's registry", login: "audit:registryUsername and AUDIT_REGISTRY_PASSWORD" };
  const ask = (scheme: string) =>
    new Registry({ host, url: `${scheme}://${host}`, ...login, settings }, "pull").manifest(repository, reference);
  // A registry without TLS, as one for trying: who pulls must allow that by a setting of its own.
  return ask("https").catch((error: unknown) => {
    if (/wrong version number|packet length too long|EPROTO/.test(String(error))) return ask("http");
    throw error;
  });
}
