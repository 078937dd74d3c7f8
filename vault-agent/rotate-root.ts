/**
 * Run by the DatabaseCredentials component: has Vault change the password of its own login to the database, which then nobody
 * else knows.
 *
 * Environment: VAULT_ADDR, VAULT_TOKEN, VAULT_NAMESPACE (as for the vault CLI), AUDIT_DATABASE (path that rotates it).
 */
import { componentSetting, runAsCommand, vaultRequest } from "./request";

runAsCommand(async () => {
  const path = componentSetting("AUDIT_DATABASE");
  if ((await vaultRequest("POST", path)) === undefined) throw new Error(`Vault has no ${path}; deploy again`);
});
