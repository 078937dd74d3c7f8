/** Makes the id of something in an organisation: `orgId:uid`. */
export function orgResourceId(orgId: number, uid: string): string {
  return `${orgId}:${uid}`;
}

/** Takes such an id apart; one without an organisation belongs to number 0. */
export function splitOrgResourceId(id: string): { orgId: number; rest: string } {
  const match = /^(\d+):(.*)$/s.exec(id);
  return match === null ? { orgId: 0, rest: id } : { orgId: Number(match[1]), rest: match[2] ?? "" };
}

/** The organisation of a new resource: its own `orgId`, else that of the credentials. */
export function newOrgId(api: { readonly orgId: number }, given: string | undefined): number {
  return Number.parseInt(given ?? "", 10) || api.orgId;
}

/** The organisation to ask for an existing resource. */
export function existingOrgId(api: { readonly orgId: number }, id: string): { orgId: number; uid: string } {
  const { orgId, rest } = splitOrgResourceId(id);
  return { orgId: orgId === 0 ? api.orgId : orgId, uid: rest };
}
