import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "mocha";
import { readImageKeys } from "../../../lib/image-keys";
import { Registry } from "../../../ci/lib/registry";
import { signatureProblem, signatureTag, signImage, transitSigner } from "../../../ci/lib/signature";
import { logIn } from "../../../ci/lib/vault";
import { failsWith, tokenFor, vaultWith } from "./support/job";
import { payloadOf, registryWith, sha, testSigner, transitWith, type Shelves } from "./support/registry";
import { jobDirectory } from "./support/stack";

const KIND = "application/vnd.oci.image.manifest.v1+json";
const DIGEST = sha("an image");
const TAG = `sha256-${DIGEST.slice("sha256:".length)}.sig`;

describe("ci: signatures of images", () => {
  const dir = jobDirectory();
  const repository = "audit/audit-svc";
  const imageIn = ({ host }: Shelves) => ({ registry: host, repository, digest: DIGEST });
  const registryOf = ({ url, host }: Shelves) => new Registry({ url, host, username: "ci", password: "of-the-robot" });
  const signed = async () => {
    const shelves = await registryWith("ci:of-the-robot");
    const signer = testSigner();
    assert.equal(await signImage(registryOf(shelves), imageIn(shelves), signer), true);
    const problem = (keys = signer.keys, image: Partial<ReturnType<typeof imageIn>> = {}) =>
      signatureProblem(registryOf(shelves), { ...imageIn(shelves), ...image }, keys);
    return { shelves, signer, problem };
  };
  interface Stored {
    mediaType: string;
    config: { mediaType: string; digest: string };
    layers: { mediaType: string; digest: string; size: number; annotations: Record<string, string> }[];
  }
  const stored = ({ manifests }: Shelves): Stored =>
    JSON.parse(manifests.get(`${repository}:${TAG}`)?.body ?? "{}") as Stored;
  /** Stores a signature, as anybody who can push could. */
  const put = ({ manifests, blobs }: Shelves, texts: readonly [text: string, signature: string][], of = DIGEST) => {
    const layers = texts.map(([text, signature]) => {
      blobs.set(`${repository}@${sha(text)}`, text);
      return {
        ...{ mediaType: "application/vnd.dev.cosign.simplesigning.v1+json", digest: sha(text), size: text.length },
        annotations: { "dev.cosignproject.cosign/signature": signature },
      };
    });
    manifests.set(`${repository}:${signatureTag(of)}`, { kind: KIND, body: JSON.stringify({ layers }) });
  };

  it("are where cosign looks for them, and what it expects there", async () => {
    const { shelves, problem } = await signed();
    const { mediaType, config, layers } = stored(shelves);
    assert.equal(mediaType, KIND);
    assert.equal(config.mediaType, "application/vnd.oci.image.config.v1+json");
    assert.ok(shelves.blobs.has(`${repository}@${config.digest}`));
    assert.equal(layers.length, 1);
    assert.equal(layers[0]?.mediaType, "application/vnd.dev.cosign.simplesigning.v1+json");
    assert.match(layers[0].annotations["dev.cosignproject.cosign/signature"] ?? "", /^ME[A-Za-z0-9+/=]{80,}$/);
    const payload = shelves.blobs.get(`${repository}@${layers[0].digest}`);
    assert.equal(payload, payloadOf(`${shelves.host}/${repository}`, DIGEST));
    assert.equal(await problem(), undefined);
  });

  it("may be made by cosign itself: version 2.6.1, an image with this digest, a key that it generated", async () => {
    const digest = "sha256:2ab8b7be5951d0351c88b1148174d21d2ed101585df7ecb8b5e0ee0bce1c1fd0";
    const pem = `-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEpmCrNPb7yKj46wZ9SetEUCapy+4o
H9vkUX+B35z0rA3sGtk49YSxE3U8HreAms9/fDYKFEP3E5RNVr702orO2A==
-----END PUBLIC KEY-----
`;
    const signature =
      "MEYCIQDFlKyG8FH8CQTl4GFEy7KdEeDCK+Wk9l7twY0zXXZAMAIhANIqIeUDTxoPzDvXTrR/U7ZPdJzaKl9jWZvMmdByk2pT";
    const file = join(dir(), "cosign.pub");
    writeFileSync(file, pem);
    const shelves = await registryWith("ci:of-the-robot");
    put(shelves, [[payloadOf("harbor.example.com/audit/audit-svc", digest), signature]], digest);
    const image = { registry: "harbor.example.com", repository, digest };
    assert.equal(await signatureProblem(registryOf(shelves), image, readImageKeys(file)), undefined);
  });

  it("are made once, and beside those of others", async () => {
    const { shelves, signer, problem } = await signed();
    assert.equal(await signImage(registryOf(shelves), imageIn(shelves), signer), false);
    assert.equal(stored(shelves).layers.length, 1);
    const other = testSigner();
    assert.equal(await signImage(registryOf(shelves), imageIn(shelves), other), true);
    assert.equal(stored(shelves).layers.length, 2);
    for (const keys of [signer.keys, other.keys, [testSigner().publicKey, ...other.keys]])
      assert.equal(await problem(keys), undefined);
  });

  it("do not count for another key, another image, another repository, or with another text", async () => {
    const { shelves, signer, problem } = await signed();
    const name = `${shelves.host}/${repository}`;
    assert.equal(await problem(testSigner().keys), "none of its signatures is by that key");
    assert.equal(await problem(signer.keys, { digest: sha("another") }), "it has no signature");

    const another = payloadOf(name, sha("another"));
    put(shelves, [[another, signer.signed(another)]]);
    assert.equal(await problem(), `its signature is of another image, ${name}@${sha("another")}`);
    const elsewhere = payloadOf(`${shelves.host}/mallory/audit-svc`, DIGEST);
    put(shelves, [[elsewhere, signer.signed(elsewhere)]]);
    assert.match((await problem()) ?? "", /^its signature is of another image, \S+\/mallory\/audit-svc@/);
    const ofAnother = payloadOf(name, DIGEST).replace("cosign container image signature", "something else");
    put(shelves, [[ofAnother, signer.signed(ofAnother)]]);
    assert.match((await problem()) ?? "", /^its signature is of another image/);
    // The right text with the signature of another, and texts that are no JSON.
    put(shelves, [
      [payloadOf(name, DIGEST), signer.signed(another)],
      ["{", signer.signed("{")],
    ]);
    assert.match((await problem()) ?? "", /^its signature is of another image, \?@\?$/);
  });

  it("do not count when the registry returns another payload than its digest names", async () => {
    const { shelves, signer, problem } = await signed();
    const text = payloadOf(`${shelves.host}/${repository}`, DIGEST);
    shelves.blobs.set(`${repository}@${sha(text)}`, `${text} `);
    await failsWith(problem(), `Harbor ${shelves.host} has something else at ${repository}@${sha(text)} than that`);
    shelves.manifests.set(`${repository}:${TAG}`, { kind: KIND, body: "{}" });
    await failsWith(problem(signer.keys), `${repository}:${TAG} is there, but holds no signatures`);
  });

  it("are found among others that can be anything", async () => {
    const { shelves, signer, problem } = await signed();
    const right = payloadOf(`${shelves.host}/${repository}`, DIGEST);
    put(shelves, [
      ["{}", "not base64"],
      [right, ""],
      [right, signer.signed(right)],
    ]);
    assert.equal(await problem(), undefined);
  });

  describe("with a key of Vault's", () => {
    const vaultOf = async (...given: Parameters<typeof transitWith>) => {
      const vault = await vaultWith({}, transitWith(...given));
      return logIn({ VAULT_ADDR: vault.url, VAULT_ID_TOKEN: tokenFor({}) }, "audit-ci-publish");
    };

    it("are made by its transit engine, from the hash alone", async () => {
      const shelves = await registryWith();
      const key = testSigner();
      const vault = await vaultOf(key, [payloadOf(`${shelves.host}/${repository}`, DIGEST)]);
      const signer = await transitSigner(vault, "transit", "audit-image");
      assert.equal(signer.name, "transit/keys/audit-image");
      await signImage(registryOf(shelves), imageIn(shelves), signer);
      assert.equal(await signatureProblem(registryOf(shelves), imageIn(shelves), key.keys), undefined);
    });

    it("are made again by the newest version of a key that was rotated", async () => {
      const shelves = await registryWith();
      const [first, next] = [testSigner(), testSigner()];
      const texts = [payloadOf(`${shelves.host}/${repository}`, DIGEST)];
      const signer = async (...given: Parameters<typeof transitWith>) =>
        transitSigner(await vaultOf(...given), "transit", "audit-image");
      const sign = async (by: ReturnType<typeof signer>) => signImage(registryOf(shelves), imageIn(shelves), await by);
      assert.equal(await sign(signer(first, texts)), true);
      assert.equal(await sign(signer(first, texts)), false, "it is signed already");
      assert.equal(await sign(signer(next, texts, undefined, [first])), true);
      assert.equal(await signatureProblem(registryOf(shelves), imageIn(shelves), next.keys), undefined);
    });

    it("are refused if the key differs from the one Vault shows, or has another type", async () => {
      const shelves = await registryWith();
      const text = payloadOf(`${shelves.host}/${repository}`, DIGEST);
      const wrong = { ...testSigner(), pem: testSigner().pem };
      const signer = await transitSigner(await vaultOf(wrong, [text]), "transit", "audit-image");
      await failsWith(
        signImage(registryOf(shelves), imageIn(shelves), signer),
        "Vault's signature by transit/keys/audit-image does not match that key; nothing was stored",
      );
      assert.equal(shelves.manifests.size, 0);
      await failsWith(
        transitSigner(await vaultOf(wrong, [], "aes256-gcm96"), "transit", "audit-image"),
        "Vault's transit/keys/audit-image is of type aes256-gcm96; images are signed by one of type ecdsa-p256, which bootstrap makes",
      );
    });
  });

  it("have public keys in a file: one, or two while the key is replaced, and nothing secret", () => {
    const file = join(dir(), "image-key.pem");
    const keys = (text: string) => {
      writeFileSync(file, text);
      return readImageKeys(file);
    };
    const [one, two] = [testSigner(), testSigner()];
    assert.equal(keys(one.pem + two.pem).length, 2);
    assert.throws(() => keys("-----BEGIN EC PRIVATE KEY-----\nAA==\n-----END EC PRIVATE KEY-----\n"), /holds a private key/); // prettier-ignore
    for (const text of ["", `${one.pem}-----BEGIN PUBLIC KEY-----\nAA==\n-----END PUBLIC KEY-----\n`])
      assert.throws(() => keys(text), /must hold public keys of ECDSA P-256 in PEM format/);
    assert.throws(() => readImageKeys(join(dir(), "none.pem")), /none\.pem cannot be read \(ENOENT\)/);
  });

  it("are uploaded only to the registry: its login is sent nowhere else", async () => {
    const shelves = await registryWith("ci:of-the-robot", "https://mallory.example");
    await failsWith(
      signImage(registryOf(shelves), imageIn(shelves), testSigner()),
      `Harbor ${shelves.host} wants an upload at https://mallory.example instead of ${shelves.url}; set Harbor's external URL (hostname, external_url) to what HARBOR_URL, HARBOR_HOST says`,
    );
  });
});
