import { vaultRequest } from "../lib/vault/client";

/** A secret_id of a role as Vault tells about it; the secret itself it does not tell. */
export interface SecretId {
  accessor: string;
  /** Name that the deploy gave it; undefined when somebody else had it issued. */
  issue: string | undefined;
  /** When it was made, milliseconds since 1970. */
  made: number;
}

/**
 * The secret_ids of a role that can be used: Vault refuses one that has no accessor any more.
 *
 * @param role path of the role, for example `auth/approle/role/audit-svc`
 */
export async function secretIdsOf(role: string): Promise<SecretId[]> {
  const listed = (await vaultRequest("GET", `${role}/secret-id?list=true`)) as { data: { keys: string[] } } | undefined;
  const all: SecretId[] = [];
  for (const accessor of listed?.data.keys ?? []) {
    const known = (await vaultRequest("POST", `${role}/secret-id-accessor/lookup`, {
      secret_id_accessor: accessor,
    })) as { data?: { metadata: Record<string, string> | null; creation_time: string } } | undefined;
    // One that has ended in the meantime is not known any more.
    if (known?.data === undefined) continue;
    const { metadata, creation_time } = known.data;
    all.push({ accessor, issue: metadata?.issue, made: Date.parse(creation_time) });
  }
  return all;
}
