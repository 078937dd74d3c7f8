import type * as vault from "@pulumi/vault";
import { formatDuration } from "../docker/durations.js";
import type { FieldSpecs, InputsOf } from "../framework/index.js";
import type { VaultClient } from "./client.js";
import { apiName, textOf } from "./fields.js";

export type Tune = NonNullable<InputsOf<typeof vault.AuthBackend>["tune"]>;

const LISTS = [
  "auditNonHmacRequestKeys",
  "auditNonHmacResponseKeys",
  "passthroughRequestHeaders",
  "allowedResponseHeaders",
] as const;

const oneOf =
  (...values: string[]) =>
  (value: string) =>
    values.includes(value) ? undefined : `expected one of ${values.join(", ")}, got ${value}`;

export const tuneFields: FieldSpecs<Tune> = {
  defaultLeaseTtl: {},
  maxLeaseTtl: {},
  auditNonHmacRequestKeys: {},
  auditNonHmacResponseKeys: {},
  listingVisibility: { validate: oneOf("unauth", "hidden") },
  passthroughRequestHeaders: {},
  allowedResponseHeaders: {},
  tokenType: { validate: oneOf("default-service", "default-batch", "service", "batch") },
};

/** The body of a tune request. Left-out lists are sent as one empty word, which is how Vault is told to empty them. */
export function tuneBody(tune: Tune): Record<string, unknown> {
  const body: Record<string, unknown> = {};
  if (tune.defaultLeaseTtl) body.default_lease_ttl = tune.defaultLeaseTtl;
  if (tune.maxLeaseTtl) body.max_lease_ttl = tune.maxLeaseTtl;
  if (tune.listingVisibility) body.listing_visibility = tune.listingVisibility;
  if (tune.tokenType) body.token_type = tune.tokenType;
  for (const name of LISTS) body[apiName(name)] = (tune[name] ?? []).length > 0 ? tune[name] : [""];
  return body;
}

/** Seconds as the genuine plugin writes them: `768h`, without the parts that are zero. */
export function shortDuration(seconds: number): string {
  return formatDuration(seconds * 1e9)
    .replace(/m0s$/, "m")
    .replace(/h0m$/, "h");
}

/** What Vault tells, but where the program has a tune block, what that says (terraform-provider-vault issue 2234). */
export async function readTune(client: VaultClient, path: string, known: Tune | null | undefined): Promise<Tune> {
  const data = (await client.read(`sys/mounts/auth/${path}/tune`))?.data ?? {};
  const result: Tune = {
    defaultLeaseTtl: shortDuration(Number(data.default_lease_ttl ?? 0)),
    maxLeaseTtl: shortDuration(Number(data.max_lease_ttl ?? 0)),
    listingVisibility: textOf(data.listing_visibility),
    tokenType: textOf(data.token_type),
  };
  for (const name of LISTS) {
    const list = data[apiName(name)];
    if (Array.isArray(list) && list.length > 0 && list[0] !== "") result[name] = list as string[];
  }
  if (known !== undefined && known !== null) {
    if (!known.tokenType) result.tokenType = "";
    if (!known.listingVisibility) result.listingVisibility = "";
    result.defaultLeaseTtl = known.defaultLeaseTtl ?? "";
    result.maxLeaseTtl = known.maxLeaseTtl ?? "";
  }
  return result;
}
