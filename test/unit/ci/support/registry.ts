import { createHash, generateKeyPairSync, sign, type KeyObject } from "node:crypto";
import type { Signer } from "../../../../ci/lib/signature";
import { double, type Answer, type Asked, type Double } from "./servers";

export const sha = (bytes: string | Buffer): string => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

/** A fake registry with an optional login that stores what it is given. Tests can change its content directly. */
export interface Shelves {
  readonly url: string;
  readonly host: string;
  readonly asked: Asked[];
  /** By repository and tag or digest. */
  readonly manifests: Map<string, { kind: string; body: string }>;
  /** By repository and digest. */
  readonly blobs: Map<string, string>;
}

/** @param uploads where it wants them, default at itself */
export async function registryWith(login?: string, uploads = ""): Promise<Shelves> {
  const manifests: Shelves["manifests"] = new Map();
  const blobs: Shelves["blobs"] = new Map();
  const server: Double = await double(({ method, path, headers, body }): Answer => {
    const basic = login === undefined ? undefined : `Basic ${Buffer.from(login).toString("base64")}`;
    if (basic !== undefined && headers.authorization !== basic)
      return { status: 401, headers: { "www-authenticate": 'Basic realm="registry"' }, body: {} };
    const { pathname, searchParams } = new URL(path, "http://registry");
    const [, repository = "", what = "", name = ""] = /^\/v2\/(.+?)\/(manifests|blobs)\/(.*)$/.exec(pathname) ?? [];
    if (method === "POST")
      return { status: 202, headers: { location: `${uploads}/v2/${repository}/blobs/uploads/1?state=x` } };
    if (method === "PUT" && what === "blobs") {
      const digest = searchParams.get("digest") ?? "";
      if (digest !== sha(body)) return { status: 400, body: {} };
      blobs.set(`${repository}@${digest}`, body);
      return { status: 201, body: "" };
    }
    if (method === "PUT") {
      manifests.set(`${repository}:${name}`, { kind: headers["content-type"] ?? "", body });
      return { status: 201, body: "" };
    }
    const blob = blobs.get(`${repository}@${name}`);
    if (what === "blobs") return blob === undefined ? { status: 404 } : { body: Buffer.from(blob) };
    const found = manifests.get(`${repository}:${name}`);
    if (found === undefined) return { status: 404 };
    return { headers: { "content-type": found.kind }, body: found.body };
  });
  return { url: server.url, host: new URL(server.url).host, asked: server.asked, manifests, blobs };
}

export interface TestSigner extends Signer {
  readonly publicKey: KeyObject;
  readonly pem: string;
  signed(text: string): string;
}

/** A key pair as Vault would have it. */
export function testSigner(name = "transit/keys/audit-image"): TestSigner {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const signed = (text: string | Buffer): string => sign("sha256", Buffer.from(text), privateKey).toString("base64");
  return {
    name,
    publicKey,
    pem: publicKey.export({ type: "spki", format: "pem" }).toString(),
    keys: [publicKey],
    signed,
    sign: (payload) => Promise.resolve(signed(payload)),
  };
}

/** What cosign signs of an image. */
export const payloadOf = (name: string, digest: string): string =>
  JSON.stringify({
    critical: {
      identity: { "docker-reference": name },
      image: { "docker-manifest-digest": digest },
      type: "cosign container image signature",
    },
    optional: null,
  });

/**
 * A fake of Vault's transit engine with such a key. Requests contain only a hash, which Node cannot sign, so it must
 * know the texts in advance.
 */
export function transitWith(
  signer: TestSigner,
  texts: readonly string[],
  type = "ecdsa-p256",
  former: TestSigner[] = [],
) {
  const versions = [...former, signer].map(({ pem }, i) => [String(i + 1), { public_key: pem }]);
  const data = { type, latest_version: versions.length, keys: Object.fromEntries(versions) as object };
  return ({ method, path, body }: Asked): Answer | undefined => {
    if (path === "/v1/transit/keys/audit-image") return { body: { data } };
    if (method !== "PUT" || path !== "/v1/transit/sign/audit-image/sha2-256") return undefined;
    const asked = JSON.parse(body) as { input: string; prehashed: boolean; marshaling_algorithm: string };
    const text = texts.find((one) => createHash("sha256").update(one).digest("base64") === asked.input);
    if (text === undefined || !asked.prehashed || asked.marshaling_algorithm !== "asn1")
      return { status: 400, body: { errors: ["not what was to be signed"] } };
    return { body: { data: { signature: `vault:v1:${signer.signed(text)}` } } };
  };
}
