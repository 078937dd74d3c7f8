import { hash as digest, timingSafeEqual } from "node:crypto";
import type { TokenConfig } from "./config.js";

/** The sender of a request. */
export interface Principal {
  readonly name: string;
  readonly role: "writer" | "reader";
  /** The only application it may write or read; `undefined` means any. */
  readonly application?: string;
}

/** Valid headers that are remembered: more than the tokens in use at a time. */
const REMEMBERED = 1000;
/** A header with more characters, of which most are blanks, is not remembered: it would only take memory. */
const LONGEST = 512;

/** The tokens of one configuration: hashes, and the valid headers seen since it is in force. */
export class Tokens {
  readonly #entries: { hash: Buffer; principal: Principal }[];
  /** Headers that were found valid: hashing one again would take a twentieth of the process's time at full load. */
  readonly #known = new Map<string, Principal>();

  constructor(tokens: readonly TokenConfig[]) {
    this.#entries = tokens.map(({ sha256, ...principal }) => ({ hash: Buffer.from(sha256, "hex"), principal }));
  }

  /**
   * The principal of an `Authorization` header. For one that is not known to be valid all hashes are compared, each in
   * constant time, so that the time reveals neither how much of a hash matched nor which token did.
   */
  authenticate(header: string | undefined): Principal | undefined {
    if (header === undefined) return undefined;
    const known = this.#known.get(header);
    if (known !== undefined) return known;
    const match = /^bearer +([\x21-\x7e]+) *$/i.exec(header);
    if (match === null) return undefined;
    const hash = digest("sha256", match[1] ?? "", "buffer");
    let found: Principal | undefined;
    for (const entry of this.#entries) {
      if (timingSafeEqual(entry.hash, hash)) found = entry.principal;
    }
    if (found !== undefined && this.#known.size < REMEMBERED && header.length <= LONGEST)
      this.#known.set(header, found);
    return found;
  }
}
