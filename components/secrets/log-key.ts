import { createHash, createPrivateKey, createPublicKey, type KeyObject } from "node:crypto";
import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";
import * as vault from "@pulumi/vault";
import { heldUntil } from "../../lib/held";
import { UserError } from "../../lib/user-error";
import { LOG_KEY, logKeyOf, type TransitKey } from "../../lib/vault/rights";
import { verifierKey } from "../../lib/verifier-key";
import { runStep } from "../run-step";
import { OWNED } from "./in-vault";
import { vaultEnvironment, type VaultAccess } from "./vault-access";

/** Where the service finds the agent that signs for it, beside its configuration file. */
export const SIGNING_SOCKET = "/run/audit/vault.sock";

export interface LogKeyArgs {
  /** Name of the log, in each checkpoint; never changed. */
  origin: string;
  /** Whether everybody may read checkpoints and tiles; default false: readers alone. */
  public?: boolean;
  /**
   * Who signs: Vault, with a key of the transit engine at this mount; or the service, with a key that this program makes,
   * another one for each version.
   */
  signer: { by: "vault"; mount: string } | { by: "key"; version: number };
  vault: VaultAccess;
  /** What {@link LogKey.verifierKeys} was in the last run; default none. */
  previous?: readonly string[];
}

/** `log` of the service's configuration. */
interface LogConfiguration {
  origin: string;
  public: boolean;
  signer: pulumi.Input<{ socket: string; mount: string; key: string; namespace?: string } | { privateKey: string }>;
}

/**
 * The key that signs the checkpoints of the log that the service keeps, and what the service and its verifiers are told
 * about it. Vault's key is named from `name`, and stays in Vault when the stack is destroyed, as the log stays in a
 * database that is kept.
 *
 * @example
 * const log = new LogKey("audit-svc", {
 *   origin: "audit.example.com/vm2",
 *   signer: { by: "vault", mount: "transit" },
 *   vault,
 * });
 * new SecretsBinding("audit-svc", {
 *   vm,
 *   vault,
 *   secret: { mount: "secret", path: "audit-svc/vm2" },
 *   data: { log: log.configuration },
 *   signing: log.signing,
 * });
 * export const logKeys = log.verifierKeys;
 */
export class LogKey extends pulumi.ComponentResource {
  readonly configuration: LogConfiguration;
  /** The key that the service's agent must be allowed to use; undefined = none. */
  readonly signing: TransitKey | undefined;
  /**
   * The public keys, the newest first, as verifiers of signed notes take them: of all versions, and of whoever signed
   * before, because earlier checkpoints have those signatures.
   */
  readonly verifierKeys: pulumi.Output<string[]>;

  constructor(name: string, args: LogKeyArgs, opts?: pulumi.ComponentResourceOptions) {
    super("audit:index:LogKey", name, {}, opts);
    const { origin, signer } = args;
    const common = { origin, public: args.public ?? false };
    const previous = args.previous ?? [];
    const written = (keys: readonly Buffer[]): string[] => {
      const own = keys.map((key) => verifierKey(origin, key));
      return [...own, ...previous.filter((key) => key.startsWith(`${origin}+`) && !own.includes(key))];
    };
    if (signer.by === "vault") {
      this.signing = { mount: signer.mount, key: logKeyOf(name) };
      const { namespace } = args.vault;
      this.configuration = {
        ...common,
        signer: { socket: SIGNING_SOCKET, ...this.signing, ...(namespace === undefined ? {} : { namespace }) },
      };
      this.verifierKeys = this.#inVault(name, args.vault, this.signing).apply((keys) =>
        keys === undefined ? [...previous] : written(keys),
      );
    } else {
      const keys = this.#ownKeys(name, signer.version);
      this.configuration = {
        ...common,
        signer: pulumi.secret({ privateKey: keys.apply(([newest]) => pemOf(newest)) }),
      };
      this.verifierKeys = pulumi.unsecret(keys.apply((all) => written(all.map(publicHalf))));
    }
    this.registerOutputs({ verifierKeys: this.verifierKeys });
  }

  /** Has Vault make the key, unless bootstrap has, and asks for its public halves. */
  #inVault(name: string, access: VaultAccess, { mount, key }: TransitKey): pulumi.Output<Buffer[] | undefined> {
    const { owner } = access.inVault ?? OWNED;
    const made =
      owner === "bootstrap"
        ? []
        : [
            new vault.transit.SecretBackendKey(
              `${name}-log-key`,
              {
                backend: mount,
                name: key,
                type: LOG_KEY.type,
                exportable: LOG_KEY.exportable,
                allowPlaintextBackup: LOG_KEY.allow_plaintext_backup,
              },
              { parent: this, provider: access.provider, retainOnDelete: true },
            ),
          ];
    const environment = { ...vaultEnvironment(access), AUDIT_LOG_KEY: `${mount}/keys/${key}` };
    return heldUntil(made, "").apply(() => askVault(environment));
  }

  /** A key for each version, the newest first. Its seed is what a password generator makes, so the state encrypts it. */
  #ownKeys(name: string, newest: number): pulumi.Output<[KeyObject, ...KeyObject[]]> {
    const versions = Array.from({ length: newest }, (_, i) => newest - i);
    const seeds = versions.map(
      (version) =>
        new random.RandomPassword(
          `${name}-log-key${version === 1 ? "" : `.v${version}`}`,
          { length: 64, special: false },
          { parent: this },
        ).result,
    );
    return pulumi.secret(pulumi.all(seeds)).apply((all) => all.map(keyFrom) as [KeyObject, ...KeyObject[]]);
  }
}

/** @returns undefined in a preview that cannot read Vault */
async function askVault(environment: Readonly<Record<string, string>>): Promise<Buffer[] | undefined> {
  try {
    const keys = JSON.parse(await runStep("log-keys", environment)) as Record<string, string>;
    return Object.keys(keys)
      .sort((a, b) => Number(b) - Number(a))
      .map((version) => Buffer.from(keys[version] ?? "", "base64"));
  } catch (error) {
    if (pulumi.runtime.isDryRun()) return undefined;
    throw new UserError(
      `The log's public keys could not be read: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
}

/** What precedes the seed in the PKCS #8 form of an Ed25519 key (RFC 8410). */
const PKCS8 = Buffer.from("302e020100300506032b657004220420", "hex");

/** 64 letters and digits hold more than the 256 bits that an Ed25519 seed has. */
function keyFrom(password: string): KeyObject {
  const seed = createHash("sha256").update(password).digest();
  return createPrivateKey({ key: Buffer.concat([PKCS8, seed]), format: "der", type: "pkcs8" });
}

const pemOf = (key: KeyObject): string => key.export({ format: "pem", type: "pkcs8" }).toString();

/** The last 32 bytes of its SPKI form. */
const publicHalf = (key: KeyObject): Buffer =>
  createPublicKey(key).export({ format: "der", type: "spki" }).subarray(-32);
