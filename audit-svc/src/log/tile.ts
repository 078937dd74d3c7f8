import { HASH, type Subtree, TILE, fold, leafHashesOf } from "./tree.js";

/** Bytes of an entry: kind, month, commitment (CONTRACT.md, "The log"). */
export const ENTRY = 35;

/** One resource of C2SP's tlog-tiles: a tile of hashes, or a bundle of entries. */
export interface TileName {
  /** Height above the leaves, in tiles; `entries` for the bundle of the leaves' entries. */
  readonly level: number | "entries";
  readonly n: number;
  /** How many hashes or entries; 256 if it is complete. */
  readonly width: number;
}

/** `x001/x234/067` and the like. */
function index(n: number): string {
  const parts = [String(n % 1000).padStart(3, "0")];
  for (let rest = Math.floor(n / 1000); rest > 0; rest = Math.floor(rest / 1000))
    parts.unshift(`x${String(rest % 1000).padStart(3, "0")}`);
  return parts.join("/");
}

/** The path below `/log/tile/`. */
export function pathOf({ level, n, width }: TileName): string {
  return `${level}/${index(n)}${width === TILE ? "" : `.p/${width}`}`;
}

/** The tile that a path below `/log/tile/` names; `undefined` unless it is spelt exactly as {@link pathOf} spells it. */
export function parsePath(path: string): TileName | undefined {
  const [, level = "", digits = "", width = String(TILE)] =
    /^(entries|\d{1,2})\/((?:x\d{3}\/){0,4}\d{3})(?:\.p\/(\d{1,3}))?$/.exec(path) ?? [];
  if (level === "") return undefined;
  const name: TileName = {
    level: level === "entries" ? "entries" : Number(level),
    n: Number(digits.replaceAll(/[x/]/g, "")),
    width: Number(width),
  };
  return pathOf(name) === path && name.width >= 1 ? name : undefined;
}

/** How many of a tile's hashes or entries a tree of this size has; 0 if it has no such tile. */
export function widthIn(size: number, level: number | "entries", n: number): number {
  const nodes = level === "entries" ? size : Math.floor(size / TILE ** level);
  return Math.max(0, Math.min(TILE, nodes - n * TILE));
}

/** Entries side by side, as the database keeps them, become a bundle: each with its length before it. */
export function toBundle(entries: Buffer): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; at < entries.length; at += ENTRY)
    parts.push(Buffer.from([0, ENTRY]), entries.subarray(at, at + ENTRY));
  return Buffer.concat(parts);
}

/** The entries of a bundle, side by side; `undefined` if it does not have this many entries of this log's kind. */
export function fromBundle(bundle: Buffer, width: number): Buffer | undefined {
  if (bundle.length !== width * (ENTRY + 2)) return undefined;
  const parts: Buffer[] = [];
  for (let at = 0; at < bundle.length; at += ENTRY + 2) {
    if (bundle.readUInt16BE(at) !== ENTRY) return undefined;
    parts.push(bundle.subarray(at + 2, at + 2 + ENTRY));
  }
  return Buffer.concat(parts);
}

/** The tile of level 0 above entries that are side by side. */
export const leafHashes = (entries: Buffer): Buffer => leafHashesOf(entries, ENTRY);

/** The subtrees of a tree of this size, from its tiles. Each tile is read once. */
export function subtreesOf(size: number, read: (tile: TileName & { level: number }) => Promise<Buffer>): Subtree {
  const tiles = new Map<string, Promise<Buffer>>();
  return async (height, n) => {
    const level = Math.floor(height / 8);
    const count = 2 ** (height % 8);
    const start = n * count;
    const tile = { level, n: Math.floor(start / TILE), width: widthIn(size, level, Math.floor(start / TILE)) };
    const key = pathOf(tile);
    const hashes = tiles.get(key) ?? read(tile);
    tiles.set(key, hashes);
    const offset = start % TILE;
    return fold((await hashes).subarray(offset * HASH, (offset + count) * HASH));
  };
}
