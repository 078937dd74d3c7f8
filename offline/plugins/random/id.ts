import { randomBytes } from "node:crypto";
import type { RandomId } from "@pulumi/random";
import { defineResource } from "../framework/index.js";
import { keepers } from "./keepers.js";

/** The same bytes in every notation the resource offers, each behind the prefix. */
function notations(bytes: Buffer, prefix: string) {
  const number = bytes.length === 0 ? 0n : BigInt(`0x${bytes.toString("hex")}`);
  return {
    b64Std: prefix + bytes.toString("base64"),
    b64Url: prefix + bytes.toString("base64url"),
    hex: prefix + bytes.toString("hex"),
    dec: prefix + number.toString(),
  };
}

export const randomId = defineResource<typeof RandomId, undefined>({
  token: "random:index/randomId:RandomId",
  inputs: { byteLength: { forceNew: true, required: true }, prefix: { forceNew: true }, keepers },
  outputs: { b64Std: {}, b64Url: {}, hex: {}, dec: {} },
  async create(_ctx, { byteLength, prefix }) {
    const bytes = randomBytes(byteLength);
    return Promise.resolve({ id: bytes.toString("base64url"), state: notations(bytes, prefix ?? "") });
  },
  async read(_ctx, id, state) {
    if (state.hex !== undefined) return Promise.resolve({ id, state });
    // An import: `[prefix,]bytes` with the bytes in base64url.
    const comma = id.lastIndexOf(",");
    const prefix = comma < 0 ? "" : id.slice(0, comma);
    const encoded = id.slice(comma + 1);
    const bytes = Buffer.from(encoded, "base64url");
    if (bytes.toString("base64url") !== encoded) throw new Error(`"${encoded}" is not base64 for URLs without padding`);
    return Promise.resolve({
      id: encoded,
      state: { ...notations(bytes, prefix), byteLength: bytes.length, prefix: prefix === "" ? null : prefix },
    });
  },
  async delete() {
    // Nothing exists outside the state.
  },
});
