/** An event's inclusion proof in C2SP's format `tlog-proof`: it can be checked with nothing but the event and a key. */
export interface Proof {
  /** The first byte of the entry, and the event's salt. */
  readonly extra: Buffer;
  readonly index: number;
  readonly hashes: readonly Buffer[];
  /** A signed note. */
  readonly checkpoint: string;
}

export function proofText({ extra, index, hashes, checkpoint }: Proof): string {
  const lines = ["c2sp.org/tlog-proof@v1", `extra ${extra.toString("base64")}`, `index ${index}`];
  return `${[...lines, ...hashes.map((hash) => hash.toString("base64"))].join("\n")}\n\n${checkpoint}`;
}

/** Reads {@link proofText}'s text; `undefined` if it is something else. */
export function parseProof(text: string): Proof | undefined {
  const [, extra = "", index = "", hashes = "", checkpoint = ""] =
    /^c2sp\.org\/tlog-proof@v1\n(?:extra (\S+)\n)?index (\d{1,15})\n((?:[A-Za-z0-9+/]{43}=\n)*)\n([^]+)$/.exec(text) ??
    [];
  if (index === "") return undefined;
  return {
    extra: Buffer.from(extra, "base64"),
    index: Number(index),
    hashes: hashes.split("\n").slice(0, -1).map((hash) => Buffer.from(hash, "base64")), // prettier-ignore
    checkpoint,
  };
}
