import { createHash } from "node:crypto";
import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";
import * as vault from "@pulumi/vault";

export interface AccessTokensArgs {
  /** Applications that may write events of their own. */
  applications: readonly string[];
  provider: vault.Provider;
  /** KV version 2 mount and path under which the tokens wait for their holders. */
  mount: string;
  path: string;
}

/** One accepted token, as the service's configuration file lists it: by hash only. */
export interface TokenHash {
  name: string;
  sha256: string;
  role: "writer" | "reader";
  application?: string;
}

/**
 * Bearer tokens for the service: one for each application, which may write that application's events alone, and one for
 * readers. The service gets their hashes; the tokens themselves are in Vault, where their holders fetch them.
 */
export class AccessTokens extends pulumi.ComponentResource {
  readonly hashes: pulumi.Output<TokenHash[]>;

  constructor(name: string, args: AccessTokensArgs, opts?: pulumi.ComponentResourceOptions) {
    super("audit:index:AccessTokens", name, {}, opts);
    const token = (holder: string) =>
      new random.RandomPassword(`${name}-${holder}`, { length: 40, special: false }, { parent: this }).result;
    const writers = args.applications.map((application) => ({ application, token: token(`writer-${application}`) }));
    const reader = token("reader");

    const holders = pulumi.secret(
      pulumi.all([reader, ...writers.map((w) => w.token)]).apply(([read, ...written]) => ({
        reader: read ?? "",
        ...Object.fromEntries(writers.map((w, i) => [`writer-${w.application}`, written[i] ?? ""])),
      })),
    );
    new vault.kv.SecretV2(
      `${name}-tokens`,
      {
        mount: args.mount,
        name: args.path,
        dataJson: holders.apply((value) => JSON.stringify(value)),
        deleteAllVersions: true,
      },
      { parent: this, provider: args.provider },
    );

    const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");
    this.hashes = pulumi.secret(
      pulumi.all([reader, ...writers.map((w) => w.token)]).apply(([read, ...written]) => [
        { name: "reader", sha256: sha256(read ?? ""), role: "reader" as const },
        ...writers.map((w, i) => ({
          name: w.application,
          sha256: sha256(written[i] ?? ""),
          role: "writer" as const,
          application: w.application,
        })),
      ]),
    );
    this.registerOutputs({ hashes: this.hashes });
  }
}
