/**
 * Run by a component after a secret_id was delivered: waits until the agent is logged in by it, and then destroys every secret_id
 * of the role that was there before it. A run that was killed in between leaves the former one working; the next run gets here
 * again. When Vault does not know the delivered one any more, another is delivered first. What was issued later is left alone:
 * this command outlives a run that is killed, and the next one's may be there already.
 *
 * Environment: VAULT_ADDR, VAULT_TOKEN, VAULT_NAMESPACE (as for the vault CLI), AUDIT_APPROLE (path of the role), and shell lines:
 * AUDIT_DELIVERED (prints which issue of the secret_id lies on the VM), AUDIT_DELIVER (runs the one-shot that takes another),
 * AUDIT_LOGGED_IN (waits for the agent and prints which issue it has logged in by).
 */
import { deliverSecretId } from "./delivery";
import { runOnHost } from "./on-host";
import { vaultRequest } from "../lib/vault/client";
import { componentSetting, runAsCommand } from "./program";
import { secretIdsOf } from "./secret-ids";

runAsCommand(async () => {
  const role = componentSetting("AUDIT_APPROLE");
  const delivered = await runOnHost(componentSetting("AUDIT_DELIVERED"), "", "the agent's secret_id was not found");
  if (!(await secretIdsOf(role)).some((one) => one.issue === delivered.trim())) {
    await deliverSecretId(role, componentSetting("AUDIT_DELIVER"));
  }
  const answer = await runOnHost(componentSetting("AUDIT_LOGGED_IN"), "", "the former secret_id was not revoked");
  const issue = answer.trim();
  if (!/^[0-9a-f-]{36}$/.test(issue)) throw new Error("the agent did not say by which secret_id it has logged in");
  const all = await secretIdsOf(role);
  const used = all.find((one) => one.issue === issue);
  if (used === undefined) {
    throw new Error("the secret_id by which the agent has logged in was destroyed by somebody else; deploy again");
  }
  for (const { accessor, made } of all) {
    if (accessor === used.accessor || made > used.made) continue;
    await vaultRequest("POST", `${role}/secret-id-accessor/destroy`, { secret_id_accessor: accessor }).catch(
      async (error: unknown) => {
        // Vault answers 500 when it is gone already.
        if ((await secretIdsOf(role)).some((one) => one.accessor === accessor)) throw error;
      },
    );
  }
});
