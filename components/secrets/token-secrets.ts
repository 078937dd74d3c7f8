import * as pulumi from "@pulumi/pulumi";
import * as vault from "@pulumi/vault";
import { heldUntil } from "../../lib/held";

export interface TokenSecretsArgs {
  /** The newest token of each holder. */
  tokens: readonly { holder: string; version: number; token: pulumi.Output<string> }[];
  provider: vault.Provider;
  /** KV version 2 mount, and the path below which each holder has a secret. */
  mount: string;
  path: string;
  /** What must be done first. */
  dependsOn: readonly pulumi.Resource[];
  /** The component that had these secrets before. */
  formerly: pulumi.Resource;
}

/**
 * The tokens where their holders find them. They are no children of the tokens: `pulumi state move` takes a component's
 * children along, and when the tokens move to another stack, holders go on to find them where this one has put them
 * (docs/decisions/0190).
 */
export class TokenSecrets extends pulumi.ComponentResource {
  /** The version of each token, once it is there. */
  readonly versions: pulumi.Output<Record<string, number>>;

  constructor(name: string, args: TokenSecretsArgs, opts?: pulumi.ComponentResourceOptions) {
    super("audit:index:TokenSecrets", name, {}, opts);
    const { tokens, provider, mount, path, dependsOn, formerly } = args;
    const secrets = tokens.map(
      ({ holder, token }) =>
        new vault.kv.SecretV2(
          `${name}-token-${holder}`,
          {
            mount,
            name: `${path}/${holder}`,
            dataJson: pulumi.secret(token.apply((value) => JSON.stringify({ token: value }))),
            deleteAllVersions: true,
          },
          { parent: this, provider, dependsOn: [...dependsOn], aliases: [{ parent: formerly }] },
        ),
    );
    const versions = Object.fromEntries(tokens.map(({ holder, version }) => [holder, version]));
    this.versions = heldUntil(secrets, versions);
    this.registerOutputs({ versions: this.versions });
  }
}
