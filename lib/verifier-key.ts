import { createHash } from "node:crypto";

/** The algorithm Ed25519 in a signed note. */
const ED25519 = Buffer.of(1);

/**
 * A public key as verifiers of signed notes take it: `<name>+<hash>+<key>`.
 * https://github.com/C2SP/C2SP/blob/main/signed-note.md
 *
 * @param name of the signer, without spaces and plus signs
 * @param publicKey the 32 bytes of an Ed25519 key
 */
export function verifierKey(name: string, publicKey: Buffer): string {
  const key = Buffer.concat([ED25519, publicKey]);
  const hash = createHash("sha256").update(`${name}\n`).update(key).digest("hex").slice(0, 8);
  return `${name}+${hash}+${key.toString("base64")}`;
}
