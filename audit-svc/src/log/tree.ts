import { hash } from "node:crypto";

/** Entries or hashes of one tile. */
export const TILE = 256;
/** Bytes of a hash. */
export const HASH = 32;

/** SHA-256 as a string of Latin-1: Node makes it three times as fast as a Buffer. */
const digest = (bytes: Uint8Array): string => hash("sha256", bytes, "binary");

const node = Buffer.alloc(1 + 2 * HASH, 1);

/** RFC 6962, section 2.1: the hash of an entry. */
export function leafHash(entry: Uint8Array): Buffer {
  return Buffer.from(digest(Buffer.concat([Buffer.from([0]), entry])), "latin1");
}

/** The hash of two subtrees. */
export function nodeHash(left: Uint8Array, right: Uint8Array): Buffer {
  node.set(left, 1);
  node.set(right, 1 + HASH);
  return Buffer.from(digest(node), "latin1");
}

/** The hashes of entries of this size that are side by side. */
export function leafHashesOf(entries: Buffer, size: number): Buffer {
  const hashes = Buffer.alloc((entries.length / size) * HASH);
  const leaf = Buffer.alloc(1 + size);
  for (let at = 0, to = 0; at < entries.length; at += size, to += HASH) {
    entries.copy(leaf, 1, at, at + size);
    hashes.write(digest(leaf), to, "latin1");
  }
  return hashes;
}

/** The root of a power of two of hashes that are side by side. */
export function fold(hashes: Buffer): Buffer {
  const level = Buffer.from(hashes);
  for (let length = level.length; length > HASH; length /= 2)
    for (let at = 0; at < length; at += 2 * HASH) {
      level.copy(node, 1, at, at + 2 * HASH);
      level.write(digest(node), at / 2, "latin1");
    }
  return level.subarray(0, HASH);
}

/** The root of a tree without entries. */
export const EMPTY_ROOT = Buffer.from(digest(Buffer.alloc(0)), "latin1");

/** The hash of a complete subtree of `2 ** level` leaves, the n-th of its level. */
export type Subtree = (level: number, n: number) => Promise<Buffer>;

/** The largest power of two that is smaller than n. Numbers may be larger than 32 bits, so there are no bit operators. */
function split(n: number): number {
  let k = 1;
  while (k * 2 < n) k *= 2;
  return k;
}

async function range(low: number, high: number, subtree: Subtree): Promise<Buffer> {
  const n = high - low;
  const k = split(n);
  if (n === 1 || k * 2 === n) return subtree(Math.log2(n), low / n);
  return nodeHash(await range(low, low + k, subtree), await range(low + k, high, subtree));
}

/** The root of the first `size` leaves. */
export function rootOf(size: number, subtree: Subtree): Promise<Buffer> {
  return size === 0 ? Promise.resolve(EMPTY_ROOT) : range(0, size, subtree);
}

/** The proof that a leaf is in the tree of `size` leaves. */
export async function proveInclusion(index: number, size: number, subtree: Subtree): Promise<Buffer[]> {
  const path = async (low: number, high: number): Promise<Buffer[]> => {
    if (high - low === 1) return [];
    const middle = low + split(high - low);
    return index < middle
      ? [...(await path(low, middle)), await range(middle, high, subtree)]
      : [...(await path(middle, high)), await range(low, middle, subtree)];
  };
  return path(0, size);
}

/** The proof that the tree of `size` leaves begins with the tree of the first `old` ones. */
export async function proveConsistency(old: number, size: number, subtree: Subtree): Promise<Buffer[]> {
  const path = async (low: number, high: number, whole: boolean): Promise<Buffer[]> => {
    if (old === high) return whole ? [] : [await range(low, high, subtree)];
    const middle = low + split(high - low);
    return old <= middle
      ? [...(await path(low, middle, whole)), await range(middle, high, subtree)]
      : [...(await path(middle, high, false)), await range(low, middle, subtree)];
  };
  return old === 0 ? [] : path(0, size, true);
}

const odd = (n: number): boolean => n % 2 === 1;
const half = (n: number): number => Math.floor(n / 2);

/** RFC 9162, section 2.1.3.2. */
export function verifyInclusion(
  leaf: Buffer,
  index: number,
  size: number,
  proof: readonly Buffer[],
  root: Buffer,
): boolean {
  if (index >= size) return false;
  let [fn, sn, r] = [index, size - 1, leaf];
  for (const p of proof) {
    if (sn === 0) return false;
    if (odd(fn) || fn === sn) {
      r = nodeHash(p, r);
      while (!odd(fn) && fn !== 0) [fn, sn] = [half(fn), half(sn)];
    } else r = nodeHash(r, p);
    [fn, sn] = [half(fn), half(sn)];
  }
  return sn === 0 && r.equals(root);
}

/** RFC 9162, section 2.1.4.2. Every tree extends the one without entries. */
export function verifyConsistency(
  old: number,
  size: number,
  proof: readonly Buffer[],
  oldRoot: Buffer,
  root: Buffer,
): boolean {
  if (old > size) return false;
  if (old === size) return proof.length === 0 && oldRoot.equals(root);
  if (old === 0) return proof.length === 0 && oldRoot.equals(EMPTY_ROOT);
  const path = split(old) * 2 === old || old === 1 ? [oldRoot, ...proof] : proof;
  let [fn, sn] = [old - 1, size - 1];
  while (odd(fn)) [fn, sn] = [half(fn), half(sn)];
  const [first, ...rest] = path;
  if (first === undefined) return false;
  let [fr, sr] = [first, first];
  for (const c of rest) {
    if (sn === 0) return false;
    if (odd(fn) || fn === sn) {
      [fr, sr] = [nodeHash(c, fr), nodeHash(c, sr)];
      while (!odd(fn) && fn !== 0) [fn, sn] = [half(fn), half(sn)];
    } else sr = nodeHash(sr, c);
    [fn, sn] = [half(fn), half(sn)];
  }
  return sn === 0 && fr.equals(oldRoot) && sr.equals(root);
}

/** Computes roots from leaves in their order, keeping no more than one hash for each level. */
export class RootBuilder {
  readonly #stack: { hash: Buffer; leaves: number }[] = [];
  size = 0;

  add(leaf: Buffer): void {
    let top = { hash: leaf, leaves: 1 };
    for (let below = this.#stack.at(-1); below?.leaves === top.leaves; below = this.#stack.at(-1)) {
      this.#stack.pop();
      top = { hash: nodeHash(below.hash, top.hash), leaves: 2 * top.leaves };
    }
    this.#stack.push(top);
    this.size += 1;
  }

  /** The root of the leaves so far. */
  root(): Buffer {
    const hashes = this.#stack.map((subtree) => subtree.hash);
    return hashes.length === 0 ? EMPTY_ROOT : hashes.reduceRight((right, left) => nodeHash(left, right));
  }
}
