import * as pulumi from "@pulumi/pulumi";
import { argumentName } from "../../lib/argument-names";
import type { StackInVault } from "../../lib/vault/rights";
import type { InVault, OwnerInVault } from "./in-vault";
import { runStep } from "../run-step";
import { UserError } from "../../lib/user-error";
import { vaultEnvironment, type VaultAccess } from "./vault-access";

/** What steps/check-agents.ts prints. */
interface Looked {
  differences?: string[];
  failure?: string;
  status?: number;
}

/**
 * Checks, before anything is changed, that Vault has exactly the policies and roles that this stack's agents need. A
 * preview without a login to Vault skips the check.
 *
 * @param rights what the agents need, and the same as `stack` in the settings of bootstrap/vault.ts, for the message
 * @throws UserError naming what differs and how to fix it
 */
export async function findInVault(
  owner: OwnerInVault,
  access: Omit<VaultAccess, "provider" | "inVault">,
  { stack, bootstrap: settings }: { stack: StackInVault; bootstrap: object },
): Promise<InVault> {
  if (owner === "program") return { owner, readable: true };
  const { differences, failure, status } = await look(access, stack);
  if (failure === undefined) {
    if (differences === undefined || differences.length > 0) throw notSetUp(differences ?? [], settings);
    return { owner, readable: true };
  }
  if (!pulumi.runtime.isDryRun()) {
    throw status === 403 ? notSetUp([failure], settings) : new UserError(`${failure}. Nothing was changed.`);
  }
  await pulumi.log.warn(`Vault was not checked: ${failure}. The agents' policies and roles there are not compared.`);
  return { owner, readable: false };
}

async function look(access: Omit<VaultAccess, "provider" | "inVault">, stack: StackInVault): Promise<Looked> {
  try {
    return JSON.parse(await runStep("check-agents", vaultEnvironment(access), JSON.stringify(stack))) as Looked;
  } catch (error) {
    throw new UserError(`Vault could not be checked: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function notSetUp(differences: readonly string[], settings: object): UserError {
  return new UserError(
    [
      "Vault does not have the policies and roles that this stack's agents need; nothing was changed.",
      ...differences.map((line) => `  - differs: ${line}`),
      "Have an administrator of Vault run bootstrap/vault.ts (docs/guide.md, step 3; in the sandbox: make up) with",
      `  "stack": ${JSON.stringify(settings)}`,
      `in its settings, or set ${argumentName("findInVault: owner")} to program; its token must then be allowed to write policies.`,
    ].join("\n"),
  );
}
