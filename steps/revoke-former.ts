/**
 * Run by a component after a secret_id was delivered: waits until the agent has logged in with it, then destroys every
 * older secret_id of the role. If a run is killed in between, the former one keeps working, and the next run gets here
 * again. If Vault no longer knows the delivered one, another is delivered first. Later ones are left alone: this
 * command outlives a killed run, and the next run may have issued one already.
 *
 * Environment: VAULT_ADDR, VAULT_TOKEN, VAULT_NAMESPACE (as for the vault CLI), AUDIT_APPROLE (path of the role), and shell lines:
 * AUDIT_DELIVERED (prints which issue of the secret_id is on the VM), AUDIT_DELIVER (runs the one-shot that takes
 * another), AUDIT_LOGGED_IN (waits for the agent and prints with which issue it has logged in).
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
  if (!/^[0-9a-f-]{36}$/.test(issue)) throw new Error("the agent did not report with which secret_id it has logged in");
  const all = await secretIdsOf(role);
  const used = all.find((one) => one.issue === issue);
  if (used === undefined) {
    throw new Error("the secret_id with which the agent has logged in was destroyed by somebody else; deploy again");
  }
  for (const { accessor, made } of all) {
    if (accessor === used.accessor || made > used.made) continue;
    await vaultRequest("POST", `${role}/secret-id-accessor/destroy`, { secret_id_accessor: accessor }).catch(
      async (error: unknown) => {
        // Vault answers 500 if it is already gone.
        if ((await secretIdsOf(role)).some((one) => one.accessor === accessor)) throw error;
      },
    );
  }
});
