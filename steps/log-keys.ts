/**
 * Run by the LogKey component: asks Vault for the public keys that check what the log's key has signed. Standard
 * output: `{"1": "…", "2": "…"}`, each version of the key with its public half in base64.
 *
 * Environment: VAULT_ADDR, VAULT_TOKEN, VAULT_NAMESPACE (as for the vault CLI), AUDIT_LOG_KEY (path of the key).
 */
import { vaultRequest } from "../lib/vault/client";
import { LOG_KEY } from "../lib/vault/rights";
import { componentSetting, runAsCommand } from "./program";

interface Key {
  type: string;
  keys: Record<string, { public_key: string }>;
}

runAsCommand(async () => {
  const path = componentSetting("AUDIT_LOG_KEY");
  const key = (await vaultRequest("GET", path))?.data as Key | undefined;
  if (key === undefined) throw new Error(`Vault has no key ${path}`);
  if (key.type !== LOG_KEY.type)
    throw new Error(`Vault's key ${path} is of type ${key.type}, and the log needs ${LOG_KEY.type}; rename that key`);
  const versions = Object.entries(key.keys).map(([version, { public_key }]) => [version, public_key]);
  console.log(JSON.stringify(Object.fromEntries(versions)));
});
