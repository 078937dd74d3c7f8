import { createHash, createPublicKey, verify, type KeyObject } from "node:crypto";
import type { ImageReference } from "../../lib/image-reference";
import { Failure } from "./failure";
import type { Registry } from "./registry";
import type { VaultSession } from "./vault";

/**
 * Image signatures as cosign stores them (docs/decisions/0142): a signed payload that names the image is a layer of a
 * manifest, whose tag in the same repository is derived from the image's digest.
 * https://github.com/sigstore/cosign/blob/main/specs/SIGNATURE_SPEC.md
 */
const LAYER = "application/vnd.dev.cosign.simplesigning.v1+json";
const ANNOTATION = "dev.cosignproject.cosign/signature";
const MANIFEST = "application/vnd.oci.image.manifest.v1+json";
const CONFIG = "application/vnd.oci.image.config.v1+json";
const TYPE = "cosign container image signature";
/** Bytes; a payload has about 250. The limit is needed because anybody who can push can store anything there. */
const LARGEST = 65_536;

type Image = Pick<ImageReference, "registry" | "repository" | "digest">;

/** Signs with a key that is kept elsewhere. */
export interface Signer {
  /** For messages. */
  readonly name: string;
  readonly keys: readonly KeyObject[];
  /** @returns ECDSA of SHA-256 in ASN.1, base64 */
  sign(payload: Buffer): Promise<string>;
}

interface SignatureManifest {
  schemaVersion: 2;
  mediaType: string;
  config: { mediaType: string; size: number; digest: string };
  layers: { mediaType: string; size: number; digest: string; annotations?: Record<string, string> }[];
}

/** The tag of an image's signatures. */
export const signatureTag = (digest: string): string => `${digest.replace(":", "-")}.sig`;

/** The image's name as cosign writes it, with its own name for Docker Hub. */
const nameOf = ({ registry, repository }: Image): string =>
  `${registry === "docker.io" ? "index.docker.io" : registry}/${repository}`;

/** A signer that uses a transit key in Vault. @throws Failure if the key has another type */
export async function transitSigner(
  vault: Pick<VaultSession, "read" | "write">,
  mount: string,
  key: string,
): Promise<Signer> {
  const name = `${mount}/keys/${key}`;
  const found = await vault.read(name);
  if (found === undefined) throw new Failure(`Vault has no ${name}; bootstrap makes the key`);
  const { type, keys = {}, latest_version: latest } = found;
  if (type !== "ecdsa-p256") {
    throw new Failure(`Vault's ${name} is of type ${String(type)}; images are signed by one of type ecdsa-p256, which bootstrap makes`); // prettier-ignore
  }
  // Only the newest version of a rotated key signs, so an image signed by a former version is signed again.
  const newest = (keys as Record<string, { public_key: string }>)[String(latest)];
  if (newest === undefined) throw new Failure(`Vault reports no newest version of ${name}`);
  return {
    name,
    keys: [createPublicKey(newest.public_key)],
    sign: async (payload) => {
      const input = createHash("sha256").update(payload).digest("base64");
      const path = `${mount}/sign/${key}/sha2-256`;
      const { signature } = await vault.write(path, { input, prehashed: true, marshaling_algorithm: "asn1" });
      return String(signature).replace(/^vault:v\d+:/, "");
    },
  };
}

/**
 * Stores a signature beside the image, unless this signer has one already; others' signatures stay.
 *
 * @returns whether it did
 */
export async function signImage(registry: Registry, image: Image, signer: Signer): Promise<boolean> {
  if ((await signatureProblem(registry, image, signer.keys)) === undefined) return false;
  const payload = Buffer.from(
    JSON.stringify({
      critical: {
        identity: { "docker-reference": nameOf(image) },
        image: { "docker-manifest-digest": image.digest },
        type: TYPE,
      },
      optional: null,
    }),
  );
  const signature = await signer.sign(payload);
  if (!isBy(signer.keys, payload, signature))
    throw new Failure(`Vault's signature by ${signer.name} does not match that key; nothing was stored`);
  const former = await found(registry, image);
  const layer = {
    ...{ mediaType: LAYER, size: payload.length, digest: await registry.upload(image.repository, payload) },
    annotations: { [ANNOTATION]: signature },
  };
  const layers = [...(former?.layers ?? []), layer];
  const config = Buffer.from(
    JSON.stringify({
      ...{ architecture: "", created: "0001-01-01T00:00:00Z", os: "", config: {} },
      history: layers.map(() => ({ created: "0001-01-01T00:00:00Z" })),
      rootfs: { type: "layers", diff_ids: layers.map(({ digest }) => digest) },
    }),
  );
  const manifest: SignatureManifest = {
    schemaVersion: 2,
    mediaType: MANIFEST,
    config: { mediaType: CONFIG, size: config.length, digest: await registry.upload(image.repository, config) },
    layers,
  };
  await registry.tag(image.repository, signatureTag(image.digest), {
    kind: MANIFEST,
    body: Buffer.from(JSON.stringify(manifest)),
  });
  return true;
}

/**
 * Looks for a signature by one of the keys for exactly this image: its digest and its repository.
 *
 * @returns why there is none, as a clause; undefined if there is one
 */
export async function signatureProblem(
  registry: Registry,
  image: Image,
  keys: readonly KeyObject[],
): Promise<string | undefined> {
  const manifest = await found(registry, image);
  if (manifest === undefined) return "it has no signature";
  let why = "none of its signatures is by that key";
  for (const { mediaType, size, digest, annotations } of manifest.layers) {
    const signature = annotations?.[ANNOTATION];
    if (mediaType !== LAYER || typeof signature !== "string" || !(size <= LARGEST)) continue;
    const payload = await registry.blob(image.repository, digest);
    if (!isBy(keys, payload, signature)) continue;
    const signed = identity(payload);
    if (signed?.type === TYPE && signed.digest === image.digest && signed.name === nameOf(image)) return undefined;
    why = `its signature is of another image, ${signed?.name ?? "?"}@${signed?.digest ?? "?"}`;
  }
  return why;
}

async function found(registry: Registry, { repository, digest }: Image): Promise<SignatureManifest | undefined> {
  const tag = signatureTag(digest);
  const manifest = await registry.manifest(repository, tag);
  if (manifest === undefined) return undefined;
  const read = parsed(manifest.body) as Partial<SignatureManifest> | undefined;
  if (!Array.isArray(read?.layers)) throw new Failure(`${repository}:${tag} is there, but holds no signatures`);
  return read as SignatureManifest;
}

const isBy = (keys: readonly KeyObject[], payload: Buffer, signature: string): boolean =>
  keys.some((key) => verify("sha256", payload, key, Buffer.from(signature, "base64")));

/** The image that a payload names; undefined if the payload has another format. */
function identity(payload: Buffer): { type: unknown; digest: string; name: string } | undefined {
  const { critical } = (parsed(payload) ?? {}) as {
    critical?: { type?: unknown; image?: Record<string, unknown>; identity?: Record<string, unknown> };
  };
  if (critical === undefined) return undefined;
  return {
    type: critical.type,
    digest: String(critical.image?.["docker-manifest-digest"]),
    name: String(critical.identity?.["docker-reference"]),
  };
}

function parsed(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString());
  } catch {
    return undefined;
  }
}
