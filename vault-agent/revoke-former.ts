/**
 * Run by a component after a secret_id was delivered: waits until the agent is logged in by it, and then destroys every other
 * secret_id of the role. A run that was killed in between leaves the former one working; the next run gets here again.
 *
 * Environment: VAULT_ADDR, VAULT_TOKEN, VAULT_NAMESPACE (as for the vault CLI), AUDIT_APPROLE (path of the role),
 * AUDIT_ON_HOST (shell line that waits for the agent and prints which issue of the secret_id it has logged in by).
 */
import { runOnHost } from "./on-host";
import { componentSetting, runAsCommand, vaultRequest } from "./request";

interface Listed {
  data: { keys: string[] };
}
interface Known {
  data: { metadata: Record<string, string> | null };
}

runAsCommand(async () => {
  const role = componentSetting("AUDIT_APPROLE");
  const issue = (await runOnHost(componentSetting("AUDIT_ON_HOST"), "", "the former secret_id was not revoked")).trim();
  if (!/^[0-9a-f-]{36}$/.test(issue)) throw new Error("the agent did not say by which secret_id it has logged in");
  const listed = (await vaultRequest("GET", `${role}/secret-id?list=true`)) as Listed | undefined;
  const others: string[] = [];
  for (const secret_id_accessor of listed?.data.keys ?? []) {
    const known = (await vaultRequest("POST", `${role}/secret-id-accessor/lookup`, { secret_id_accessor })) as
      Known | undefined;
    // One that has ended in the meantime is not known any more.
    if (known?.data !== undefined && known.data.metadata?.issue !== issue) others.push(secret_id_accessor);
  }
  for (const secret_id_accessor of others) {
    await vaultRequest("POST", `${role}/secret-id-accessor/destroy`, { secret_id_accessor });
  }
});
