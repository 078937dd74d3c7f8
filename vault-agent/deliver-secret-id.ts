/**
 * Run by the SecretsBinding component at deploy: has Vault issue a response-wrapped secret_id and hands the wrapping
 * token to a one-shot on the VM, over standard input alone. Nothing secret is printed, stored, or put into arguments.
 *
 * Environment: VAULT_ADDR, VAULT_TOKEN, VAULT_NAMESPACE (as for the vault CLI), AUDIT_APPROLE (path of the role),
 * AUDIT_ON_HOST (shell line that runs the one-shot).
 */
import { spawn } from "node:child_process";

/** Seconds that the wrapping token lives: long enough for one ssh connection and a container start. */
const WRAP_TTL = 120;

function setting(name: string, cure: string): string {
  const value = process.env[name];
  if (value === undefined || value === "") throw new Error(`${name} is not set; ${cure}`);
  return value;
}

async function vault(method: string, path: string, headers: Record<string, string> = {}): Promise<unknown> {
  const address = setting("VAULT_ADDR", "set audit:vaultAddress");
  const namespace = process.env.VAULT_NAMESPACE;
  const response = await fetch(`${address}/v1/${path}`, {
    method,
    headers: {
      "X-Vault-Token": setting("VAULT_TOKEN", "log in to Vault, for example with `vault login`, and export the token"),
      "X-Vault-Request": "true",
      ...(namespace ? { "X-Vault-Namespace": namespace } : {}),
      ...headers,
    },
    signal: AbortSignal.timeout(30_000),
  });
  const body = (await response.json().catch(() => ({}))) as { errors?: string[] };
  if (!response.ok) {
    const reason = body.errors?.join("; ") ?? response.statusText;
    throw new Error(`Vault answered ${response.status} to ${method} ${path}: ${reason}`);
  }
  return body;
}

function runOnHost(line: string, input: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn("sh", ["-c", line], { stdio: ["pipe", "inherit", "inherit"] });
    child.on("error", reject);
    child.on("exit", (code) =>
      code === 0
        ? resolve()
        : reject(new Error(`the secret_id was not delivered: the one-shot on the VM ended with ${code ?? "a signal"}`)),
    );
    child.stdin.on("error", () => undefined);
    child.stdin.end(input);
  });
}

async function main(): Promise<void> {
  const role = setting("AUDIT_APPROLE", "this program is run by the SecretsBinding component");
  const onHost = setting("AUDIT_ON_HOST", "this program is run by the SecretsBinding component");
  const roleId = (await vault("GET", `${role}/role-id`)) as { data: { role_id: string } };
  const wrapped = (await vault("PUT", `${role}/secret-id`, { "X-Vault-Wrap-TTL": `${WRAP_TTL}s` })) as {
    wrap_info: { token: string };
  };
  await runOnHost(onHost, `${roleId.data.role_id}\n${wrapped.wrap_info.token}\n`);
}

main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
});
