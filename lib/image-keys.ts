import { createPublicKey, type KeyObject } from "node:crypto";
import { readFileSync } from "node:fs";

const BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----[^-]*-----END \1-----/g;

/**
 * Reads the public keys that may verify an image's signature: one, or the old and the new one during a rotation.
 *
 * @param file PEM
 * @throws Error whose message continues the name of the setting
 */
export function readImageKeys(file: string): KeyObject[] {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    throw new Error(
      `${file} cannot be read (${(error as NodeJS.ErrnoException).code ?? "?"}); set the path of a PEM file with the public key of your images' signatures`,
      { cause: error },
    );
  }
  const blocks = [...text.matchAll(BLOCK)];
  if (blocks.some(([, kind]) => kind?.includes("PRIVATE KEY")))
    throw new Error(
      `${file} holds a private key; it must hold the public key alone, and that private key is to be replaced`,
    );
  const keys = blocks.filter(([, kind]) => kind === "PUBLIC KEY").map(([block]) => publicKey(block));
  if (keys.length === 0 || keys.some((key) => key?.asymmetricKeyDetails?.namedCurve !== "prime256v1"))
    throw new Error(`${file} must hold public keys of ECDSA P-256 in PEM format (-----BEGIN PUBLIC KEY-----), and nothing else`); // prettier-ignore
  return keys.filter((key) => key !== undefined);
}

function publicKey(pem: string): KeyObject | undefined {
  try {
    return createPublicKey(pem);
  } catch {
    return undefined;
  }
}
