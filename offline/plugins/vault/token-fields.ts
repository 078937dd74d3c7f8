import { isIP } from "node:net";

import type * as vault from "@pulumi/vault";
import type { Call, InputsOf, InputSpec } from "../framework/index.js";
import type { Zeros } from "./fields.js";
import { readFields } from "./fields.js";

/** Inputs that every role has which hands out tokens. */
type RoleInputs = InputsOf<typeof vault.approle.AuthBackendRole>;
export type TokenInputs = Pick<
  RoleInputs,
  | "tokenBoundCidrs"
  | "tokenExplicitMaxTtl"
  | "tokenMaxTtl"
  | "tokenNoDefaultPolicy"
  | "tokenNumUses"
  | "tokenPeriod"
  | "tokenPolicies"
  | "tokenTtl"
  | "tokenType"
  | "aliasMetadata"
>;

export const tokenZeros: Zeros<TokenInputs> = {
  tokenBoundCidrs: [],
  tokenExplicitMaxTtl: 0,
  tokenMaxTtl: 0,
  tokenNoDefaultPolicy: false,
  tokenNumUses: 0,
  tokenPeriod: 0,
  tokenPolicies: [],
  tokenTtl: 0,
  tokenType: "",
  aliasMetadata: {},
};

export const tokenSpecs: { readonly [K in keyof TokenInputs]-?: InputSpec<NonNullable<TokenInputs[K]>> } = {
  tokenBoundCidrs: { unordered: true },
  tokenExplicitMaxTtl: {},
  tokenMaxTtl: {},
  tokenNoDefaultPolicy: {},
  tokenNumUses: {},
  tokenPeriod: {},
  tokenPolicies: { unordered: true },
  tokenTtl: {},
  tokenType: { default: "default" },
  aliasMetadata: {},
};

/**
 * The token fields of a role.
 *
 * Vault strips `/32` and `/128`; they are put back, unless the program wrote the address without.
 */
export function readTokenFields(
  data: Record<string, unknown>,
  known: { tokenBoundCidrs?: readonly string[] | null | undefined },
): Partial<TokenInputs> {
  const fields = readFields<TokenInputs>(data, tokenZeros) as Partial<TokenInputs>;
  const written = known.tokenBoundCidrs ?? [];
  fields.tokenBoundCidrs = ((data.token_bound_cidrs as string[] | null | undefined) ?? []).map((address) => {
    if (written.includes(address) || address.includes("/")) return address;
    return `${address}/${isIP(address) === 6 ? 128 : 32}`;
  });
  return fields;
}

/** Warns of addresses without a prefix length, which a later version of the genuine plugin will refuse. */
export function checkCidrs(call: Call, cidrs: readonly string[] | null | undefined): void {
  const invalid = (cidrs ?? []).filter((address) => !address.includes("/"));
  if (invalid.length === 0) return;
  call.log.warn(
    `found ${invalid.length} invalid CIDR block(s) for "token_bound_cidrs", values=${invalid.join(",")}; write them like 10.0.0.1/32`,
  );
}
