import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { VaultClient } from "../../../lib/vault/client.js";
import type { Context } from "../platform/context.js";
import { keysOf, reopenVault, vaultAddress } from "../platform/vault.js";
import { containerName } from "../settings.js";
import { clusterDir } from "./layout.js";

/** Path of the auth method in Vault, and the name of its plugin. */
const MOUNT = "kubernetes";

export const vaultAsAdministrator = (context: Context): VaultClient =>
  new VaultClient({ address: vaultAddress(context), token: keysOf(context).rootToken });

export interface ClusterApi {
  /** As Vault reaches it. */
  host: string;
  /** PEM. */
  authority: string;
}

/**
 * Lets pods log in to Vault with the tokens of their service accounts: sets up the plugin and the auth method.
 * Roles and policies are set up by bootstrap/vault.ts.
 * @param plugin the program, where Vault has it not built in
 * @returns true when there was nothing to do
 */
export async function ensureVaultAuth(
  context: Context,
  api: ClusterApi,
  reviewerToken: string,
  plugin: () => Promise<string>,
): Promise<boolean> {
  const vault = vaultAsAdministrator(context);
  const registered = await ensurePlugin(context, vault, plugin);
  const mounts = (await vault.request("GET", "sys/auth"))?.data as object;
  if (!(`${MOUNT}/` in mounts)) await vault.request("POST", `sys/auth/${MOUNT}`, { type: MOUNT });
  const wanted = { kubernetes_host: api.host, kubernetes_ca_cert: api.authority, disable_local_ca_jwt: true };
  // Vault never returns the token, so the sandbox remembers a digest of what it has set.
  const digest = createHash("sha256")
    .update(JSON.stringify([wanted, reviewerToken]))
    .digest("hex");
  const known = (await vault.request("GET", `auth/${MOUNT}/config`))?.data as { kubernetes_host?: string } | undefined;
  const record = `${clusterDir}/vault-auth`;
  if (registered && known?.kubernetes_host === api.host && context.state.readText(record) === digest) return true;
  await vault.request("POST", `auth/${MOUNT}/config`, { ...wanted, token_reviewer_jwt: reviewerToken });
  context.state.write(record, digest);
  return false;
}

/**
 * The official Vault has the method built in. The one built here gets it as a plugin, copied into the running
 * container, so that Vault's image and container are the same without a cluster.
 */
async function ensurePlugin(context: Context, vault: VaultClient, plugin: () => Promise<string>): Promise<boolean> {
  const catalog = `sys/plugins/catalog/auth/${MOUNT}`;
  const known = (await vault.request("GET", catalog))?.data as { builtin: boolean; sha256: string } | undefined;
  if (known?.builtin) return true;
  const { engine, progress } = context;
  const content = readFileSync(await plugin());
  const sha256 = createHash("sha256").update(content).digest("hex");
  const command = "vault-plugin-auth-kubernetes";
  const path = `/vault/plugins/${command}`;
  const present = await engine.exec(containerName("vault"), ["sha256sum", path]).catch(() => "");
  if (known?.sha256 === sha256 && present.startsWith(sha256)) return true;
  progress("registering Vault's auth method for Kubernetes");
  await engine.putFiles(containerName("vault"), [{ path, content, mode: 0o755 }]);
  await vault.request("POST", catalog, { sha256, command });
  // A mount whose plugin was missing when Vault started stays read-only, even after the plugin is reloaded.
  if (known !== undefined) await reopenVault(context);
  return false;
}

/** Removes the auth method with its roles. */
export async function removeVaultAuth(context: Context): Promise<void> {
  const vault = vaultAsAdministrator(context);
  await vault.request("DELETE", `sys/auth/${MOUNT}`);
  const catalog = `sys/plugins/catalog/auth/${MOUNT}`;
  const known = (await vault.request("GET", catalog))?.data as { builtin: boolean } | undefined;
  if (known?.builtin === false) await vault.request("DELETE", catalog);
}
