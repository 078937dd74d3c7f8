import { randomUUID } from "node:crypto";
import { runOnHost } from "./on-host";
import { vaultRequest } from "../lib/vault/client";
import { secretIdsOf } from "./secret-ids";

/** Seconds that the wrapping token lives: long enough for one ssh connection and a container start. */
const WRAP_TTL = 120;

/**
 * Attempts to get a usable secret_id. Once a minute Vault tidies its store and may remove the accessor of a secret_id
 * that is being created at that moment; Vault then refuses that secret_id (docs/decisions/0075).
 */
const ATTEMPTS = 3;

/**
 * Makes Vault issue a response-wrapped secret_id and passes the wrapping token to a one-shot on the VM, only over
 * standard input. Nothing secret is printed, stored, or put into arguments.
 *
 * @param role path of the role, for example `auth/approle/role/audit-svc`
 * @param onHost shell line that runs the one-shot
 */
export async function deliverSecretId(role: string, onHost: string): Promise<void> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const issue = await deliver(role, onHost);
    // By now the tidying is over: the delivery has taken longer.
    if ((await secretIdsOf(role)).some((one) => one.issue === issue)) return;
  }
  throw new Error(`Vault has lost each of ${ATTEMPTS} secret_ids that it issued for ${role}; look at its log`);
}

/** @returns the name of the issue */
async function deliver(role: string, onHost: string): Promise<string> {
  // Not secret. Tokens from this secret_id carry it, so that one can see with which secret_id an agent has logged in.
  const issue = randomUUID();
  const known = (await vaultRequest("GET", `${role}/role-id`)) as { data: { role_id: string } } | undefined;
  const issued = (await vaultRequest(
    "PUT",
    `${role}/secret-id`,
    { metadata: JSON.stringify({ issue }) },
    { "X-Vault-Wrap-TTL": `${WRAP_TTL}s` },
  )) as { wrap_info: { token: string } } | undefined;
  if (known === undefined || issued === undefined) throw new Error(`Vault has no ${role}; deploy again`);
  await runOnHost(
    onHost,
    `${known.data.role_id}\n${issue}\n${issued.wrap_info.token}\n`,
    "the secret_id was not delivered",
  );
  return issue;
}
