/**
 * Run when the DatabaseCredentials component is deleted: makes Vault revoke every login that it has created, and waits
 * for that.
 *
 * Environment: VAULT_ADDR, VAULT_TOKEN, VAULT_NAMESPACE (as for the vault CLI), AUDIT_LEASES (path that returns
 * logins).
 */
import { vaultRequest } from "../lib/vault/client";
import { componentSetting, runAsCommand } from "./program";

runAsCommand(async () => {
  await vaultRequest("PUT", `sys/leases/revoke-prefix/${componentSetting("AUDIT_LEASES")}`, { sync: true });
});
