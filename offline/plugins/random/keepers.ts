/** Arbitrary values whose change replaces the resource. */
export const keepers = { forceNew: true } as const;
