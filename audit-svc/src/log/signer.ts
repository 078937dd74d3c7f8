import { createPrivateKey, createPublicKey, sign } from "node:crypto";
import { request } from "node:http";
import { text } from "node:stream/consumers";
import type { SignerConfig } from "./config.js";
import { PUBLIC_KEY, type Verifier, isSignature, toNote } from "./note.js";

/** Milliseconds that Vault may take to answer. */
const PATIENCE = 5_000;

/** Signs notes in the name of a log. */
export interface Signer {
  /** @throws Error if it cannot be signed now */
  sign(text: string): Promise<string>;
  /** Every key whose signatures are this log's. */
  verifiers(): Promise<readonly Verifier[]>;
}

export function signerOf(origin: string, config: SignerConfig): Signer {
  return config.privateKey === undefined ? new VaultSigner(origin, config) : new KeySigner(origin, config.privateKey);
}

class KeySigner implements Signer {
  readonly #key;
  readonly #verifier: Verifier;

  constructor(origin: string, privateKey: string) {
    this.#key = createPrivateKey(privateKey);
    const { x = "" } = createPublicKey(this.#key).export({ format: "jwk" });
    this.#verifier = { name: origin, publicKey: Buffer.from(x, "base64url") };
  }

  sign(text: string): Promise<string> {
    return Promise.resolve(toNote(text, this.#verifier, sign(null, Buffer.from(text), this.#key)));
  }

  verifiers(): Promise<readonly Verifier[]> {
    return Promise.resolve([this.#verifier]);
  }
}

/** Signs with a key in Vault's transit engine, through the socket of an agent that adds its token to each request. */
class VaultSigner implements Signer {
  /** By the key's version. */
  #keys = new Map<string, Verifier>();

  constructor(
    private readonly origin: string,
    private readonly config: SignerConfig,
  ) {}

  async sign(text: string): Promise<string> {
    const input = Buffer.from(text).toString("base64");
    const { signature = "" } = await this.#ask<{ signature?: string }>("POST", "sign", { input });
    const [, version = "", base64 = ""] = /^vault:v(\d+):(\S+)$/.exec(signature) ?? [];
    const bytes = Buffer.from(base64, "base64");
    const signedBy = (): Verifier | undefined => {
      const verifier = this.#keys.get(version);
      return verifier !== undefined && isSignature(verifier, text, bytes) ? verifier : undefined;
    };
    // Somebody may have deleted the key and made another of its name: that one's versions begin at 1 again.
    if (signedBy() === undefined) await this.#readKeys();
    const verifier = signedBy();
    if (verifier === undefined)
      throw new Error(`the signature is not one of the key ${this.config.key ?? ""}; its type must be ed25519`);
    return toNote(text, verifier, bytes);
  }

  async verifiers(): Promise<readonly Verifier[]> {
    await this.#readKeys();
    return [...this.#keys.values()];
  }

  async #readKeys(): Promise<void> {
    const { keys = {} } = await this.#ask<{ keys?: Record<string, { public_key?: string }> }>("GET", "keys");
    const found = Object.entries(keys).map(([version, key]): [string, Verifier] => [
      version,
      { name: this.origin, publicKey: Buffer.from(key.public_key ?? "", "base64") },
    ]);
    this.#keys = new Map(found.filter(([, { publicKey }]) => publicKey.length === PUBLIC_KEY));
  }

  async #ask<T>(method: string, what: string, body?: object): Promise<T> {
    const { socket = "", mount = "", key = "", namespace } = this.config;
    const sent = body === undefined ? "" : JSON.stringify(body);
    const answer = await new Promise<{ status: number; body: string }>((resolve, reject) => {
      const outgoing = request(
        {
          socketPath: socket,
          method,
          path: `/v1/${mount}/${what}/${encodeURIComponent(key)}`,
          headers: {
            "x-vault-request": "true",
            ...(namespace === undefined ? {} : { "x-vault-namespace": namespace }),
            ...(sent === "" ? {} : { "content-type": "application/json", "content-length": Buffer.byteLength(sent) }),
          },
          timeout: PATIENCE,
        },
        (response) => {
          text(response).then((all) => resolve({ status: response.statusCode ?? 0, body: all }), reject);
        },
      );
      outgoing.on("timeout", () => outgoing.destroy(new Error(`no answer within ${PATIENCE / 1000} s`)));
      outgoing.on("error", reject);
      outgoing.end(sent);
    });
    if (answer.status !== 200) throw new Error(`Vault answered ${answer.status} to ${what}/${key}`);
    return (JSON.parse(answer.body) as { data: T }).data;
  }
}
