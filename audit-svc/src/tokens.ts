import { hash as digest, timingSafeEqual } from "node:crypto";
import type { TokenConfig } from "./config.js";

/** The sender of a request. */
export interface Principal {
  readonly name: string;
  readonly role: "writer" | "reader";
  /** The only application it may write or read; `undefined` means any. */
  readonly application?: string;
}

/** The tokens of one configuration. Only hashes are kept. */
export class Tokens {
  readonly #entries: { hash: Buffer; principal: Principal }[];

  constructor(tokens: readonly TokenConfig[]) {
    this.#entries = tokens.map(({ sha256, ...principal }) => ({ hash: Buffer.from(sha256, "hex"), principal }));
  }

  /**
   * The principal of an `Authorization` header. All hashes are compared, each in constant time, so that the time
   * reveals neither how much of a hash matched nor which token did.
   */
  authenticate(header: string | undefined): Principal | undefined {
    const match = header === undefined ? null : /^bearer +([\x21-\x7e]+) *$/i.exec(header);
    if (match === null) return undefined;
    const hash = digest("sha256", match[1] ?? "", "buffer");
    let found: Principal | undefined;
    for (const entry of this.#entries) {
      if (timingSafeEqual(entry.hash, hash)) found = entry.principal;
    }
    return found;
  }
}
