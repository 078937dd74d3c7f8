/**
 * Run by the DatabaseCredentials component: gives Vault the password of Vault's own database login and makes Vault
 * change it at once, so that nobody else knows it. The password comes from standard input.
 *
 * Environment: VAULT_ADDR, VAULT_TOKEN, VAULT_NAMESPACE (as for the vault CLI), AUDIT_DATABASE (mount of the engine), AUDIT_LOGIN
 * (name of the connection in it).
 */
import { text } from "node:stream/consumers";
import { vaultRequest } from "../lib/vault/client";
import { componentSetting, runAsCommand } from "./program";

runAsCommand(async () => {
  const mount = componentSetting("AUDIT_DATABASE");
  const name = componentSetting("AUDIT_LOGIN");
  const password = (await text(process.stdin)).trim();
  const steps: [string, object | undefined][] = [
    [`${mount}/config/${name}`, { password, verify_connection: true }],
    [`${mount}/rotate-root/${name}`, undefined],
  ];
  for (const [path, body] of steps) {
    if ((await vaultRequest("POST", path, body)) === undefined) throw new Error(`Vault has no ${path}; deploy again`);
  }
});
