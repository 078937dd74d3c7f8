import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gitlab, stateKey } from "../../../sandbox/src/platform/names";
import { readSettings } from "../../../sandbox/src/settings";
import { clusterStack, sandboxStack, stackForVault } from "../../../sandbox/src/stack-file";
import { State } from "../../../sandbox/src/state";
import { root, run, type Ran, type Sandbox } from "./sandbox";

/** The token of Vault's administrator, as the sandbox keeps it. */
export const rootToken = (): string =>
  (JSON.parse(readFileSync(join(root, ".sandbox/vault.json"), "utf8")) as { rootToken: string }).rootToken;

/**
 * Runs bootstrap/vault.ts with the sandbox's settings, as an administrator of Vault would.
 *
 * @param change settings that override the sandbox's; those in `stack` override the stack's own
 * @param how arguments of the command, and environment variables that override the sandbox's
 */
export async function bootstrap(
  sandbox: Sandbox,
  change: { stack?: object } & Record<string, unknown> = {},
  how: How = {},
): Promise<Ran> {
  return runBootstrap(sandbox, { ...change, stack: stackOf(sandbox, change.stack) }, how);
}

/** What the sandbox's administrator has in the settings' file of bootstrap/vault.ts. */
export const settingsOf = (sandbox: Sandbox): object => ({ ...common(sandbox), stack: stackOf(sandbox) });

function stackOf(sandbox: Sandbox, change: object = {}): object {
  const settings = readSettings(process.env);
  const of = sandbox.get("PULUMI_STACK") === clusterStack.name ? clusterStack : sandboxStack;
  return { ...stackForVault(settings, new State(settings), of), ...change };
}

const common = (sandbox: Sandbox): object => ({
  gitlab: { ...gitlab, publicKeys: [readFileSync(join(root, ".sandbox/gitlab/public.pem"), "utf8").trim()] },
  audience: sandbox.get("VAULT_ADDR"),
  transitKey: stateKey,
});

interface How {
  args?: readonly string[];
  env?: NodeJS.ProcessEnv;
  /** The program's directory, if it is another version. */
  cwd?: string;
}

/** Like {@link bootstrap}, with these settings in addition to those common to all versions. */
export async function runBootstrap(sandbox: Sandbox, more: Record<string, unknown>, how: How): Promise<Ran> {
  const dir = mkdtempSync(join(tmpdir(), "audit-vault-"));
  try {
    const file = join(dir, "settings.json");
    writeFileSync(file, JSON.stringify({ ...common(sandbox), ...more }));
    return await run(
      [process.execPath, "--import", "tsx", "bootstrap/vault.ts", file, ...(how.args ?? [])],
      { ...sandbox.env, VAULT_TOKEN: rootToken(), ...how.env },
      undefined,
      how.cwd,
    );
  } finally {
    rmSync(dir, { recursive: true });
  }
}

/** Like {@link bootstrap}, but it must succeed. @returns its output */
export async function mustBootstrap(sandbox: Sandbox, change?: { stack?: object } & Record<string, unknown>) {
  const { code, output } = await bootstrap(sandbox, change);
  assert.equal(code, 0, output);
  return output;
}
