import { setTimeout as sleep } from "node:timers/promises";

import type * as vault from "@pulumi/vault";
import { defineResource, type InputsOf, type StateOf } from "../framework/index.js";
import type { VaultClient } from "./client.js";
import { doing, keeping, trimSlashes, withComputed } from "./fields.js";
import { findMount, remount } from "./mount-paths.js";

type Inputs = InputsOf<typeof vault.Mount>;
type State = StateOf<typeof vault.Mount>;

/** A KV engine that is being upgraded refuses to be tuned for a while (VAULT-5521): tried this often, a second apart. */
const TUNE_TRIES = 11;

const seconds = (value: number | undefined) => `${value ?? 0}s`;

async function read(client: VaultClient, path: string, known: State): Promise<State | undefined> {
  const found = await findMount(client, "mounts", path);
  if (found === undefined) return undefined;
  const options = { ...found.options };
  let { type } = found;
  // "kv-v2" is another name for kv in version 2, which Vault does not give back.
  if (known.type === "kv-v2" && type === "kv" && options.version === "2") {
    type = "kv-v2";
    if (known.options?.version === undefined) delete options.version;
  }
  return {
    type,
    path,
    description: found.description,
    defaultLeaseTtlSeconds: found.config.default_lease_ttl,
    maxLeaseTtlSeconds: found.config.max_lease_ttl,
    forceNoCache: found.config.force_no_cache,
    auditNonHmacRequestKeys: found.config.audit_non_hmac_request_keys ?? [],
    auditNonHmacResponseKeys: found.config.audit_non_hmac_response_keys ?? [],
    listingVisibility: found.config.listing_visibility ?? "",
    accessor: found.accessor,
    local: found.local,
    options,
    sealWrap: found.seal_wrap,
    externalEntropyAccess: found.external_entropy_access,
  };
}

async function present(client: VaultClient, path: string, known: State): Promise<State> {
  const state = await read(client, path, known);
  if (state === undefined) throw new Error(`mount ${path} was gone when it was read back`);
  return state;
}

const COMPUTED = ["defaultLeaseTtlSeconds", "maxLeaseTtlSeconds"] as const;

/** A secrets engine at a path. Deleting it destroys everything in it. */
export const mount = defineResource<typeof vault.Mount, VaultClient>({
  token: "vault:index/mount:Mount",
  inputs: {
    path: { required: true },
    type: { required: true, forceNew: true },
    description: {},
    defaultLeaseTtlSeconds: { computed: true },
    maxLeaseTtlSeconds: { computed: true },
    forceNoCache: { computed: true },
    auditNonHmacRequestKeys: { computed: true },
    auditNonHmacResponseKeys: { computed: true },
    listingVisibility: {},
    options: {},
    local: { forceNew: true },
    sealWrap: { forceNew: true, computed: true },
    externalEntropyAccess: { forceNew: true, default: false },
  },
  outputs: { accessor: {} },
  async create(client, inputs) {
    const { path } = inputs;
    await doing("error writing to Vault", () =>
      client.write(`sys/mounts/${path}`, {
        type: inputs.type,
        description: inputs.description ?? "",
        config: {
          default_lease_ttl: seconds(inputs.defaultLeaseTtlSeconds),
          max_lease_ttl: seconds(inputs.maxLeaseTtlSeconds),
          force_no_cache: inputs.forceNoCache ?? false,
          listing_visibility: inputs.listingVisibility ?? "",
          audit_non_hmac_request_keys: inputs.auditNonHmacRequestKeys,
          audit_non_hmac_response_keys: inputs.auditNonHmacResponseKeys,
        },
        local: inputs.local ?? false,
        options: inputs.options ?? {},
        seal_wrap: inputs.sealWrap ?? false,
        external_entropy_access: inputs.externalEntropyAccess ?? false,
      }),
    );
    return keeping(path, async () => ({ id: path, state: await present(client, path, inputs as State) }));
  },
  async read(client, id, state) {
    const found = await read(client, id, state);
    return found === undefined ? undefined : { id, state: found };
  },
  update: (client, id, old, inputs, diff, call) =>
    keeping(id, () => change(client, id, withComputed(inputs, old, COMPUTED), diff.changed, call.signal)),
  async delete(client, id) {
    await doing("error deleting from Vault", () => client.delete(`sys/mounts/${id}`));
  },
});

async function change(
  client: VaultClient,
  id: string,
  inputs: Inputs,
  changed: ReadonlySet<string>,
  signal: AbortSignal,
): Promise<{ id: string; state: State }> {
  let path = id;
  if (changed.has("path") && trimSlashes(inputs.path) !== trimSlashes(id)) {
    await doing("error remounting in Vault", () => remount(client, id, inputs.path, signal));
    path = inputs.path;
  }
  const tune: Record<string, unknown> = {
    default_lease_ttl: seconds(inputs.defaultLeaseTtlSeconds),
    max_lease_ttl: seconds(inputs.maxLeaseTtlSeconds),
    options: inputs.options ?? {},
  };
  if (changed.has("description")) tune.description = inputs.description ?? "";
  if (changed.has("auditNonHmacRequestKeys")) tune.audit_non_hmac_request_keys = inputs.auditNonHmacRequestKeys ?? [];
  if (changed.has("auditNonHmacResponseKeys"))
    tune.audit_non_hmac_response_keys = inputs.auditNonHmacResponseKeys ?? [];
  if (changed.has("listingVisibility")) tune.listing_visibility = inputs.listingVisibility ?? "";
  for (let attempt = 1; ; attempt++) {
    try {
      await client.write(`sys/mounts/${path}/tune`, tune);
      break;
    } catch (error) {
      if (attempt >= TUNE_TRIES) throw new Error(`error updating Vault: ${(error as Error).message}`, { cause: error });
      await sleep(1000, undefined, { signal });
    }
  }
  return { id: path, state: await present(client, path, inputs) };
}
