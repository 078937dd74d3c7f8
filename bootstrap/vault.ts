/**
 * For an administrator of Vault, to run once and after each change of the settings: creates what the program and its
 * pipeline need in Vault (secrets engines, auth methods, policies, JWT roles for GitLab's ID tokens) and prints what it
 * changed. It can be repeated safely.
 *
 *   VAULT_ADDR=… VAULT_TOKEN=… node --import tsx bootstrap/vault.ts settings.json [--check]
 *
 * With --check it changes nothing and exits with 3 if something differs. With GITLAB_TOKEN (scope read_api, role
 * Maintainer) it then also checks the GitLab settings on which the roles depend. Settings: docs/reference.md.
 */
import { KEYS } from "../config/keys";
import { nameArguments } from "../lib/argument-names";
import { applyVaultPlan, SetupError } from "../lib/vault/plan";
import { vaultRequest } from "../lib/vault/client";
import { gitlabDifferences } from "./gitlab";
import { planVault } from "./plan";
import { readVaultSettings, type VaultSettings } from "./settings";

async function main(): Promise<void> {
  nameArguments(KEYS);
  const check = process.argv.includes("--check");
  const [file, ...more] = process.argv.slice(2).filter((argument) => argument !== "--check");
  if (file === undefined || more.length > 0) {
    throw new SetupError(
      "usage: node --import tsx bootstrap/vault.ts settings.json [--check]; `audit init` writes the settings",
    );
  }
  const settings = readVaultSettings(file);
  const changes = await applyVaultPlan(vaultRequest, planVault(settings), check);
  for (const line of changes) console.log(`${check ? "differs: " : ""}${line}`);
  if (changes.length === 0) console.log("nothing to change");
  const open = check ? await lookAtGitlab(settings) : [];
  if (check && changes.length + open.length > 0) process.exitCode = 3;
}

async function lookAtGitlab(settings: VaultSettings): Promise<string[]> {
  const token = process.env.GITLAB_TOKEN?.trim();
  if (token === undefined || token === "") {
    console.log("GitLab was not checked: GITLAB_TOKEN is not set (scope read_api, role Maintainer)");
    return [];
  }
  const differences = await gitlabDifferences(settings, token);
  for (const line of differences) console.log(`differs: GitLab: ${line}`);
  if (differences.length === 0) console.log("GitLab is as docs/reference.md says");
  return differences;
}

main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
});
