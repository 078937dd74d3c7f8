import { createHash } from "node:crypto";
import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";
import type * as vault from "@pulumi/vault";
import { argumentName } from "../../lib/argument-names";
import { tokenHolders, type TokenHolder } from "./token-holders";
import { TokenSecrets } from "./token-secrets";
import { UserError } from "../../lib/user-error";

/** The accepted versions of each holder's token, ascending; a holder that is not listed has version 1. */
export type TokenVersions = Readonly<Record<string, readonly number[]>>;

export interface AccessTokensArgs {
  /** Applications that may write their own events. */
  applications: readonly string[];
  /**
   * While a holder has two versions, the service accepts both and Vault has the newer one; default: version 1 of each.
   */
  versions?: TokenVersions;
  /** What {@link AccessTokens.handOut} returned in the last run; undefined in the first. */
  previous?: Readonly<Record<string, number>>;
  provider: vault.Provider;
  /** KV version 2 mount, and the path below which each holder has a secret. */
  mount: string;
  path: string;
}

/** One accepted token, as the service's configuration file lists it: by hash only. */
export interface TokenHash extends TokenHolder {
  sha256: string;
}

/**
 * Bearer tokens for the service: a writer and a reader for each application, limited to that application's events, and
 * a reader of everything. The service gets only hashes. {@link handOut} writes each token to its own secret in Vault,
 * where its holder finds it (docs/decisions/0141).
 *
 * @example
 * const tokens = new AccessTokens("audit", {
 *   applications: ["billing", "crm"],
 *   provider: vault.provider,
 *   mount: "secret",
 *   path: "audit-svc-tokens",
 * });
 * // Once the service works with the hashes, the holders find their tokens in Vault.
 * tokens.handOut([service]);
 */
export class AccessTokens extends pulumi.ComponentResource {
  readonly hashes: pulumi.Output<TokenHash[]>;
  /** The newest token of each holder. */
  readonly #newest: { holder: string; version: number; token: pulumi.Output<string> }[];

  constructor(
    private readonly name: string,
    private readonly args: AccessTokensArgs,
    private readonly opts?: pulumi.ComponentResourceOptions,
  ) {
    super("audit:index:AccessTokens", name, {}, opts);
    const holders = tokenHolders(args.applications).map((holder) => ({
      holder,
      versions: args.versions?.[holder.name] ?? [1],
    }));
    for (const { holder, versions } of holders) checkNewest(holder.name, versions, args.previous?.[holder.name]);

    const tokens = holders.flatMap(({ holder, versions }) =>
      versions.map((version) => ({
        holder,
        version,
        // An application's name has no dot, so no version's name can equal another holder's.
        token: new random.RandomPassword(
          `${name}-${holder.name}${version === 1 ? "" : `.v${version}`}`,
          { length: 40, special: false },
          { parent: this },
        ).result,
      })),
    );
    this.#newest = holders.flatMap(({ holder }) =>
      tokens
        .filter((one) => one.holder === holder)
        .slice(-1)
        .map(({ version, token }) => ({ holder: holder.name, version, token })),
    );
    this.hashes = pulumi.secret(
      pulumi.all(tokens.map(({ token }) => token)).apply((values) =>
        tokens.map(({ holder }, i) => ({
          ...holder,
          sha256: createHash("sha256")
            .update(values[i] ?? "")
            .digest("hex"),
        })),
      ),
    );
    this.registerOutputs({ hashes: this.hashes });
  }

  /**
   * Writes the newest token of each holder to Vault once everything in `dependsOn` is done: the service must know a
   * token before its holder does.
   *
   * @returns the version of each, once it is written
   */
  handOut(dependsOn: readonly pulumi.Resource[]): pulumi.Output<Record<string, number>> {
    const { mount, path, provider } = this.args;
    const secrets = new TokenSecrets(
      this.name,
      { tokens: this.#newest, mount, path, provider, dependsOn, formerly: this },
      { parent: this.opts?.parent },
    );
    return secrets.versions;
  }
}

/**
 * Rejects a version below the last one: it would get a new token, and the service would refuse the one that the holder
 * has.
 */
function checkNewest(holder: string, versions: readonly number[], previous: number | undefined): void {
  const newest = versions.at(-1) ?? 1;
  if (previous === undefined || newest >= previous) return;
  throw new UserError(
    `${argumentName("AccessTokens: versions")} gives ${holder} version ${newest}, and the last deploy handed out ${previous}: end the list of ${holder} with ${previous}, or with ${previous + 1} for another token. Nothing was changed.`,
  );
}
