/** Application under which the pipeline's smoke test writes and reads. */
export const SMOKE = "smoke";

/** Who gets a token of the service, by the name of its secret in Vault. */
export interface TokenHolder {
  name: string;
  role: "writer" | "reader";
  /** The only application whose events it may store or read; without it, the holder reads all events. */
  application?: string;
}

/** A reader of everything, and a writer and a reader for each application. */
export const tokenHolders = (applications: readonly string[]): TokenHolder[] => [
  { name: "reader", role: "reader" },
  ...applications.flatMap((application) =>
    (["writer", "reader"] as const).map((role) => ({ name: `${role}-${application}`, role, application })),
  ),
];
