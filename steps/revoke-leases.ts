/**
 * Run by the DatabaseCredentials component when it is removed: has Vault end every login that it has made, and waits for that.
 *
 * Environment: VAULT_ADDR, VAULT_TOKEN, VAULT_NAMESPACE (as for the vault CLI), AUDIT_LEASES (path at which logins are had).
 */
import { vaultRequest } from "../lib/vault/client";
import { componentSetting, runAsCommand } from "./program";

runAsCommand(async () => {
  await vaultRequest("PUT", `sys/leases/revoke-prefix/${componentSetting("AUDIT_LEASES")}`, { sync: true });
});
