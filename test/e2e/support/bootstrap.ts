import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gitlab, stateKey } from "../../../sandbox/src/platform/names";
import { readSettings } from "../../../sandbox/src/settings";
import { stackForVault } from "../../../sandbox/src/stack-file";
import { State } from "../../../sandbox/src/state";
import { root, run, type Ran, type Sandbox } from "./sandbox";

/** The token of Vault's administrator, as the sandbox keeps it. */
export const rootToken = (): string =>
  (JSON.parse(readFileSync(join(root, ".sandbox/vault.json"), "utf8")) as { rootToken: string }).rootToken;

/**
 * What an administrator of Vault does: runs bootstrap/vault.ts with the sandbox's settings.
 *
 * @param change settings over the sandbox's; those of `stack` over the stack's own
 * @param how arguments of the command, and environment over the sandbox's
 */
export async function bootstrap(
  sandbox: Sandbox,
  change: { stack?: object } & Record<string, unknown> = {},
  how: { args?: readonly string[]; env?: NodeJS.ProcessEnv } = {},
): Promise<Ran> {
  const settings = readSettings(process.env);
  const dir = mkdtempSync(join(tmpdir(), "audit-vault-"));
  try {
    const file = join(dir, "settings.json");
    const publicKeys = [readFileSync(join(root, ".sandbox/gitlab/public.pem"), "utf8").trim()];
    writeFileSync(
      file,
      JSON.stringify({
        gitlab: { ...gitlab, publicKeys },
        audience: sandbox.get("VAULT_ADDR"),
        transitKey: stateKey,
        ...change,
        stack: { ...stackForVault(settings, new State(settings)), ...change.stack },
      }),
    );
    return await run([process.execPath, "--import", "tsx", "bootstrap/vault.ts", file, ...(how.args ?? [])], {
      ...sandbox.env,
      VAULT_TOKEN: rootToken(),
      ...how.env,
    });
  } finally {
    rmSync(dir, { recursive: true });
  }
}

/** As {@link bootstrap}, but it must succeed. @returns its output */
export async function mustBootstrap(sandbox: Sandbox, change?: { stack?: object } & Record<string, unknown>) {
  const { code, output } = await bootstrap(sandbox, change);
  assert.equal(code, 0, output);
  return output;
}
