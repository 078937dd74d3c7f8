import { vaultRequest } from "../lib/vault/client";

/** What Vault reports about a role's secret_id; the secret itself is not part of it. */
export interface SecretId {
  accessor: string;
  /** Name that the deploy gave it; undefined if somebody else issued it. */
  issue: string | undefined;
  /** Creation time, milliseconds since 1970. */
  made: number;
}

/**
 * The usable secret_ids of a role: Vault refuses one that has lost its accessor.
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
    // One that has expired in the meantime is unknown.
    if (known?.data === undefined) continue;
    const { metadata, creation_time } = known.data;
    all.push({ accessor, issue: metadata?.issue, made: Date.parse(creation_time) });
  }
  return all;
}
