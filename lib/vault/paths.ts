/** First segments of paths that Vault itself serves, so that no secrets engine can be mounted there. */
export const KEPT_BY_VAULT: readonly string[] = ["sys", "auth", "identity", "cubbyhole"];

/** Whether Vault refuses to mount a secrets engine at this path. */
export const isKeptByVault = (path: string): boolean => KEPT_BY_VAULT.includes(path.split("/")[0] ?? "");
