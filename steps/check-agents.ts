/**
 * Run by the program before it changes anything: compares what Vault has with what the stack's agents need. It is a
 * separate process because Node reads trusted authorities and proxies from the environment only when it starts.
 *
 * Standard input: the stack, see StackInVault, as JSON. Standard output: `{"differences": […]}`, or `{"failure": "…", "status": 403}`
 * if Vault refused or does not answer. Environment: VAULT_ADDR, VAULT_TOKEN, VAULT_NAMESPACE (as for the vault CLI).
 */
import { text } from "node:stream/consumers";
import { applyVaultPlan } from "../lib/vault/plan";
import { VaultFailure, vaultRequest } from "../lib/vault/client";
import { runAsCommand } from "./program";
import { planAgents, type StackInVault } from "../lib/vault/rights";

runAsCommand(async () => {
  const stack = JSON.parse(await text(process.stdin)) as StackInVault;
  const answer = await applyVaultPlan(vaultRequest, planAgents(stack), true).then(
    (differences) => ({ differences }),
    (error: unknown) => {
      if (!(error instanceof VaultFailure)) throw error;
      return { failure: error.message, status: error.status };
    },
  );
  console.log(JSON.stringify(answer));
});
