import { randomBytes } from "node:crypto";
import type { RandomUuid } from "@pulumi/random";
import { defineResource } from "../framework/index.js";
import { keepers } from "./keepers.js";

const shape = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

export const randomUuid = defineResource<typeof RandomUuid, undefined>({
  token: "random:index/randomUuid:RandomUuid",
  inputs: { keepers },
  outputs: { result: {} },
  async create() {
    // Sixteen random bytes, as the genuine plugin writes them: neither a version nor a variant is set.
    const result = randomBytes(16)
      .toString("hex")
      .replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
    return Promise.resolve({ id: result, state: { result } });
  },
  async read(_ctx, id, state) {
    if (state.result !== undefined) return Promise.resolve({ id, state });
    const result = id.toLowerCase();
    if (!shape.test(result)) throw new Error(`"${id}" is not a UUID`);
    return Promise.resolve({ id: result, state: { result } });
  },
  async delete() {
    // Nothing exists outside the state.
  },
});
