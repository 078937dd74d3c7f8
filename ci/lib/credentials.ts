import { Failure, oneLineOf, optional, type Job } from "./failure";
import { conceal, passwordOf, secretPart } from "./secrets";
import { logIn, type VaultSession } from "./vault";

/** Why a job needs credentials. Each purpose has its own role (`audit-ci-<purpose>`) and its own secret in Vault. */
export type Purpose = "preview" | "publish" | "deploy" | "drift";

/** Allowed keys of a secret. All of them go into the environment of commands, so others are rejected. */
const NAMES = [
  "PULUMI_BACKEND_URL",
  "PGPASSWORD",
  "GRAFANA_AUTH",
  "AUDIT_REGISTRY_PASSWORD",
  "AUDIT_PROMETHEUS_USERNAME",
  "AUDIT_PROMETHEUS_PASSWORD",
  "AUDIT_PROMETHEUS_TOKEN",
  "HARBOR_HOST",
  "HARBOR_URL",
  "HARBOR_PROJECT",
  "HARBOR_USERNAME",
  "HARBOR_PASSWORD",
  "SSH_PRIVATE_KEY",
  "SSH_KNOWN_HOSTS",
  "KUBECONFIG",
  "GITLAB_TOKEN",
] as const;
type Name = (typeof NAMES)[number];
/** Values that are not secret: masking them would make a log useless. Of KUBECONFIG lib/kubeconfig.ts masks a part. */
const OPEN = new Set<string>([
  "HARBOR_HOST",
  "HARBOR_URL",
  "HARBOR_PROJECT",
  "HARBOR_USERNAME",
  "AUDIT_PROMETHEUS_USERNAME",
  "SSH_KNOWN_HOSTS",
  "KUBECONFIG",
]);
/** Credentials that no job of an unreviewed branch needs. */
export const PRIVATE = ["PULUMI_BACKEND_URL", "PGPASSWORD", "GRAFANA_AUTH", "AUDIT_REGISTRY_PASSWORD", "AUDIT_PROMETHEUS_PASSWORD", "AUDIT_PROMETHEUS_TOKEN", "SSH_PRIVATE_KEY", "KUBECONFIG"] as const; // prettier-ignore
/** For some purposes, the only keys that the secret may have. */
const ENOUGH: Partial<Record<Purpose, { names: readonly string[]; why: string }>> = {
  preview: {
    names: ["GITLAB_TOKEN"],
    why: "whoever can push a branch can read it, and a preview needs no login",
  },
  drift: {
    names: ["PGPASSWORD", "GRAFANA_AUTH", "SSH_PRIVATE_KEY", "SSH_KNOWN_HOSTS", "KUBECONFIG"],
    why: "this job compares and changes nothing, so it needs no login that could",
  },
};
/** Values with several lines. */
const LINES = new Set<string>(["SSH_PRIVATE_KEY", "SSH_KNOWN_HOSTS", "KUBECONFIG"]);

export type Values = Partial<Record<Name, string>>;

export interface Credentials {
  readonly vault: VaultSession;
  /** Values from Vault, overridden by CI variables. */
  readonly values: Values;
  /** Where in Vault the secret is, for messages. */
  readonly where: string;
}

/**
 * Logs in to Vault and reads the job's secret. A CI variable overrides the value in Vault.
 *
 * Variables: those of {@link logIn}; `VAULT_ROLE` (default `audit-ci-<purpose>`), `VAULT_CI_MOUNT` (default `secret`),
 * `VAULT_CI_PATH` (default `ci/audit`; the secret is `<path>/<purpose>`).
 */
export async function obtainCredentials(job: Job, purpose: Purpose): Promise<Credentials> {
  const { env } = job;
  const { mount, path } = placeOf(env, purpose);
  const where = `${mount}/${path}`;
  const vault = await logIn(env, optional(env, "VAULT_ROLE") ?? `audit-ci-${purpose}`);
  try {
    const stored = (await vault.readSecret(mount, path)) ?? {};
    const unknown = Object.keys(stored).filter((name) => !(NAMES as readonly string[]).includes(name));
    const enough = ENOUGH[purpose];
    const tooMuch = enough === undefined ? [] : Object.keys(stored).filter((name) => !enough.names.includes(name));
    if (enough !== undefined && tooMuch.length > 0) {
      throw new Failure(
        `Vault's ${where} has ${tooMuch.join(", ")}; ${enough.why}: leave nothing but ${enough.names.join(", ")} there`,
      );
    }
    // A project's variables reach every job, so a preview only warns about them.
    const open = PRIVATE.filter((name) => optional(env, name) !== undefined && enough?.names.includes(name) === false);
    if (purpose === "drift" && open.length > 0) {
      throw new Failure(
        `${open.join(", ")} is a CI variable, and ${enough?.why ?? ""}: keep it in Vault, in ${mount}/${placeOf(env, "deploy").path}`,
      );
    }
    if (unknown.length > 0) {
      throw new Failure(
        `Vault's ${where} has ${unknown.join(", ")}, which no job uses; the names are ${NAMES.join(", ")}`,
      );
    }
    const texts = Object.fromEntries(Object.entries(stored).filter((entry): entry is [string, string] => typeof entry[1] === "string")); // prettier-ignore
    const values: Values = {};
    for (const name of NAMES) {
      const read = LINES.has(name) ? optional : oneLineOf;
      const value = read(env, name) ?? read(texts, name);
      if (value === undefined) continue;
      values[name] = value;
      if (!OPEN.has(name)) conceal(value);
    }
    conceal(values.PULUMI_BACKEND_URL && passwordOf(values.PULUMI_BACKEND_URL));
    conceal(values.GRAFANA_AUTH && secretPart(values.GRAFANA_AUTH));
    return { vault, values, where };
  } catch (error) {
    await vault.close();
    throw error;
  }
}

/** Where in Vault the pipeline keeps something. */
export const placeOf = (env: Job["env"], what: string): { mount: string; path: string } => ({
  mount: optional(env, "VAULT_CI_MOUNT") ?? "secret",
  path: `${optional(env, "VAULT_CI_PATH") ?? "ci/audit"}/${what}`,
});

/** @throws Failure naming all that are missing, and both places where they can be */
export function demand(credentials: Pick<Credentials, "values" | "where">, ...names: readonly Name[]): void {
  const missing = names.filter((name) => credentials.values[name] === undefined);
  if (missing.length === 0) return;
  throw new Failure(`${missing.join(", ")}: neither a CI variable nor in Vault at ${credentials.where}`);
}
