import { createPublicKey, hash, verify } from "node:crypto";
import { HASH } from "./tree.js";

/** C2SP's signed-note: the type of an Ed25519 key. */
const ED25519 = 1;
const KEY_ID = 4;
/** Bytes of an Ed25519 public key. */
export const PUBLIC_KEY = 32;

/** Whether a name can be that of a key, and so the origin of a log. */
export const isKeyName = (name: string): boolean => /^[^\s+\p{C}]+$/u.test(name);

/** Who signs notes: the name, and the raw Ed25519 public key. */
export interface Verifier {
  readonly name: string;
  readonly publicKey: Buffer;
}

function keyId({ name, publicKey }: Verifier): Buffer {
  const bytes = Buffer.concat([Buffer.from(`${name}\n`), Buffer.from([ED25519]), publicKey]);
  return hash("sha256", bytes, "buffer").subarray(0, KEY_ID);
}

/** The text by which auditors know a key: `name+id+key`. */
export function vkeyOf(verifier: Verifier): string {
  const key = Buffer.concat([Buffer.from([ED25519]), verifier.publicKey]).toString("base64");
  return `${verifier.name}+${keyId(verifier).toString("hex")}+${key}`;
}

/** Reads {@link vkeyOf}'s text; `undefined` if it is not the text of an Ed25519 key. */
export function parseVkey(vkey: string): Verifier | undefined {
  const [, name = "", id = "", base64 = ""] = /^([^+\s]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+=*)$/.exec(vkey.trim()) ?? [];
  const bytes = Buffer.from(base64, "base64");
  if (!isKeyName(name) || bytes.length !== 1 + PUBLIC_KEY || bytes[0] !== ED25519) return undefined;
  const verifier = { name, publicKey: bytes.subarray(1) };
  return keyId(verifier).toString("hex") === id ? verifier : undefined;
}

/** Whether this key made this signature. */
export function isSignature({ publicKey }: Verifier, text: string, signature: Buffer): boolean {
  const key = createPublicKey({
    key: { kty: "OKP", crv: "Ed25519", x: publicKey.toString("base64url") },
    format: "jwk",
  });
  return verify(null, Buffer.from(text), key, signature);
}

/** A note: the text, an empty line, and a line with the signature. */
export function toNote(text: string, verifier: Verifier, signature: Buffer): string {
  const signed = Buffer.concat([keyId(verifier), signature]).toString("base64");
  return `${text}\n— ${verifier.name} ${signed}\n`;
}

/** The text of a note if one of these keys has signed it; signatures of others are ignored, as the format demands. */
export function openNote(note: string, verifiers: readonly Verifier[]): string | undefined {
  const end = note.lastIndexOf("\n\n");
  if (end < 0) return undefined;
  const text = note.slice(0, end + 1);
  for (const line of note.slice(end + 2).split("\n")) {
    const [, name, base64 = ""] = /^— (\S+) (\S+)$/.exec(line) ?? [];
    const bytes = Buffer.from(base64, "base64");
    for (const verifier of verifiers) {
      if (verifier.name !== name || !keyId(verifier).equals(bytes.subarray(0, KEY_ID))) continue;
      if (isSignature(verifier, text, bytes.subarray(KEY_ID))) return text;
    }
  }
  return undefined;
}

/** The state of a log (C2SP's tlog-checkpoint). */
export interface Checkpoint {
  readonly origin: string;
  readonly size: number;
  readonly root: Buffer;
}

export function checkpointText({ origin, size, root }: Checkpoint): string {
  return `${origin}\n${size}\n${root.toString("base64")}\n`;
}

/** Reads {@link checkpointText}'s text, and ignores what other logs add to it. */
export function parseCheckpoint(text: string): Checkpoint | undefined {
  const [origin = "", digits = "", base64 = ""] = text.split("\n");
  const root = Buffer.from(base64, "base64");
  if (origin === "" || !/^(0|[1-9]\d{0,15})$/.test(digits) || root.length !== HASH) return undefined;
  if (root.toString("base64") !== base64) return undefined;
  return { origin, size: Number(digits), root };
}

/** The checkpoint in a note that one of these keys has signed, and whose origin is that key's name. */
export function openCheckpoint(note: string, verifiers: readonly Verifier[]): Checkpoint | undefined {
  const [origin = ""] = note.split("\n", 1);
  const text = openNote(note, verifiers.filter(({ name }) => name === origin)); // prettier-ignore
  return text === undefined ? undefined : parseCheckpoint(text);
}
