import { setTimeout as sleep } from "node:timers/promises";
import { textOf } from "./fields.js";

import type { VaultClient } from "./client.js";
import { VaultError } from "./http.js";

/** A mount as `sys/mounts/…` and `sys/auth/…` tell it. */
export interface MountInfo {
  type: string;
  description: string;
  accessor: string;
  local: boolean;
  seal_wrap: boolean;
  external_entropy_access: boolean;
  options: Record<string, string> | null;
  config: {
    default_lease_ttl: number;
    max_lease_ttl: number;
    force_no_cache: boolean;
    listing_visibility?: string;
    audit_non_hmac_request_keys?: string[];
    audit_non_hmac_response_keys?: string[];
  };
}

/** @param kind `mounts` for secrets engines, `auth` for auth methods */
export async function findMount(
  client: VaultClient,
  kind: "mounts" | "auth",
  path: string,
): Promise<MountInfo | undefined> {
  try {
    return (await client.read(`sys/${kind}/${path}`))?.data as MountInfo | undefined;
  } catch (error) {
    // An empty path is told by status 400.
    if (error instanceof VaultError && /No (secret|auth) engine/i.test(error.message)) return undefined;
    throw error;
  }
}

/** Moves a mount with its data, and waits until it has arrived. Paths of auth methods begin with `auth/`. */
export async function remount(client: VaultClient, from: string, to: string, signal: AbortSignal): Promise<void> {
  const started = await client.write("sys/remount", { from, to });
  const id = textOf(started?.data?.migration_id);
  for (;;) {
    const info = (await client.read(`sys/remount/status/${id}`))?.data?.migration_info as
      { status?: string } | undefined;
    if (info?.status === "success") return;
    if (info?.status !== "in-progress")
      throw new Error(`error remounting ${from} to ${to}: Failure! Error migrating source mount, see Vault's log`);
    await sleep(1000, undefined, { signal });
  }
}
