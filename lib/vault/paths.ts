/** First parts of paths at which Vault itself answers, so that no secrets engine can be mounted there. */
export const KEPT_BY_VAULT: readonly string[] = ["sys", "auth", "identity", "cubbyhole"];

/** Whether Vault refuses a secrets engine at this path. */
export const isKeptByVault = (path: string): boolean => KEPT_BY_VAULT.includes(path.split("/")[0] ?? "");
