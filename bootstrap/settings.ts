import { readFileSync } from "node:fs";
import { z } from "zod";
import { readCertificateAuthority } from "../lib/certificate-authority";
import { isKeptByVault, KEPT_BY_VAULT } from "../lib/vault/paths";
import { host } from "../config/addresses";
import { database } from "../config/database";
import { edge } from "../config/edge";
import { pkiRole, vaultPath } from "../config/names";
import { range } from "../config/values";
import { log, logAgent } from "../config/log";
import { kubernetes } from "../config/kubernetes";
import { platform } from "../config/platform";
import { vault } from "../config/vault";
import { SetupError } from "../lib/vault/plan";
import { APPROLE_MOUNT, DATABASE_MOUNT, type StackInVault } from "../lib/vault/rights";

const path = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9_-]*(\/[A-Za-z0-9_-]+)*$/, "must be a path without slashes at its ends");
const engine = path.refine(
  (text) => !isKeptByVault(text),
  `must not begin with ${KEPT_BY_VAULT.join(", ")}: there Vault itself answers`,
);
const name = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9_-]*$/, "must be a name of letters, digits, hyphens, underscores");
const address = z
  .string()
  .regex(/^https?:\/\/[^\s@]+[^\s@/]$/, "must be http:// or https://, without a login, and without a slash at its end");

const authority = z.string().transform((file, context) => {
  try {
    return readCertificateAuthority(file);
  } catch (error) {
    context.addIssue({ code: "custom", message: (error as Error).message });
    return z.NEVER;
  }
});

/** The settings file. docs/reference.md, section Vault, describes its keys. */
const schema = z.strictObject({
  /** GitLab's URL as in its ID tokens (`iss`), and the project whose pipelines deploy. */
  gitlab: z.strictObject({
    url: address,
    project: z.string().regex(/^[\w.-]+(\/[\w.-]+)+$/, "must be the project's whole path, for example team/audit"),
    /** The project's ID: unlike a path, another project cannot take it over later. */
    projectId: z.int().positive().optional(),
    defaultBranch: z.string().min(1).default("main"),
    /**
     * For GitLab editions with protected environments: the environment that is deployed to, AUDIT_STACK. Only its jobs
     * can then deploy.
     */
    protectedEnvironment: z.string().min(1).optional(),
    /** PEM file with the authority that signed GitLab's certificate, for Vault; default: a public one. */
    caFile: authority.optional(),
    /** PEM keys that sign the ID tokens. Default: Vault gets them from GitLab, by OIDC discovery. */
    publicKeys: z
      .array(z.string().trim().startsWith("-----BEGIN PUBLIC KEY-----", "must be a PEM public key"))
      .optional(),
  }),
  /** `aud` of the ID tokens: VAULT_ADDR of the pipeline. */
  audience: address,
  /** What is deployed: protected tags, or the protected default branch of a repository for deployments. */
  deployFrom: z.enum(["tag", "branch"]).default("tag"),
  /** `audit:vaultMount`. */
  kvMount: vault.vaultMount,
  /** First part of `audit:vaultPath`. */
  servicePath: vaultPath.default("audit-svc"),
  ciPath: path.default("ci/audit"),
  transitMount: engine.default("transit"),
  /** Key that encrypts the secrets in the stack's state. */
  transitKey: name.default("pulumi"),
  /** Key that signs the images that the pipeline builds; null = unsigned. */
  signing: z
    .strictObject({ mount: engine.default("transit"), key: name.default("audit-image") })
    .nullable()
    .prefault({}),
  jwtMount: path.default("jwt"),
  /** Vault as a certificate authority for logins to VM2; null = the pipeline has its own key. */
  ssh: z
    .strictObject({
      mount: engine.default("ssh"),
      role: name.default("vm2"),
      user: name.default("deploy"),
      /**
       * The only command that the job drift can run on a host: the path at which bootstrap/docker-read.sh is installed.
       */
      readCommand: z
        .string()
        .regex(/^\/[A-Za-z0-9_./-]+$/, "must be the absolute path of a program")
        .default("/usr/local/bin/audit-docker-read"),
    })
    .nullable()
    .prefault({}),
  /**
   * The same values as in the stack's file (`audit:vaultPath` and so on); they determine the rights of the agents on
   * VM2. The same rules apply.
   */
  stack: z
    .strictObject({
      platform: platform.platform,
      vaultPath: vault.vaultPath,
      hostCidr: range.optional(),
      kubeNamespace: kubernetes.kubeNamespace,
      vaultKubernetesMount: kubernetes.vaultKubernetesMount,
      vaultAudience: kubernetes.vaultAudience,
      databaseCredentials: database.databaseCredentials,
      databaseHost: host.optional(),
      databasePort: z.int().min(1).max(65535).default(database.databasePort.parse(undefined)),
      databaseName: database.databaseName,
      databaseSslMode: database.databaseSslMode,
      /** Authority that signed PostgreSQL's certificate, for Vault; PEM file. */
      caFile: authority.optional(),
      tls: edge.tls,
      tlsPkiMount: edge.tlsPkiMount,
      tlsPkiRole: pkiRole.optional(),
      log: log.log,
      logTransitMount: log.logTransitMount,
      logPlatform: log.logPlatform,
    })
    .prefault({}),
});

export type VaultSettings = z.output<typeof schema>;

/** @throws SetupError naming every mistake: the key and what is wrong */
export function parseVaultSettings(value: unknown, source: string): VaultSettings {
  const result = schema.safeParse(value);
  const problems = result.success
    ? [...sharedPaths(result.data), ...contradictions(result.data)]
    : describe(result.error.issues);
  if (result.success && problems.length === 0) return result.data;
  throw new SetupError(`${source} cannot be used; nothing was changed.\n${problems.map((p) => `  - ${p}`).join("\n")}`);
}

/** Reads the settings file. @throws SetupError, see {@link parseVaultSettings}, also if it cannot be read */
export function readVaultSettings(file: string): VaultSettings {
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(file, "utf8"));
  } catch (error) {
    throw new SetupError(`${file} cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
  return parseVaultSettings(value, file);
}

/** Two mounts of the same kind cannot share a path. */
function sharedPaths({ kvMount, transitMount, signing, ssh, jwtMount, stack }: VaultSettings): string[] {
  const engines = {
    ...{ "the database engine": DATABASE_MOUNT, kvMount, transitMount },
    ...(signing === null || signing.mount === transitMount ? {} : { "signing.mount": signing.mount }),
    ...(ssh === null ? {} : { "ssh.mount": ssh.mount }),
    ...(stack.tls === "vault" ? { "stack.tlsPkiMount": stack.tlsPkiMount } : {}),
    ...(stack.log !== "vault" || [transitMount, signing?.mount].includes(stack.logTransitMount)
      ? {}
      : { "stack.logTransitMount": stack.logTransitMount }),
  };
  const methods = {
    ...{ AppRole: APPROLE_MOUNT, jwtMount },
    ...(stack.platform === "kubernetes" ? { "stack.vaultKubernetesMount": stack.vaultKubernetesMount } : {}),
  };
  return [engines, methods].flatMap((kind) =>
    Object.entries(kind).flatMap(([key, path], index, all) =>
      all
        .slice(0, index)
        .flatMap(([other, taken]) => (taken === path ? [`${key}: must differ from ${other} (${path})`] : [])),
    ),
  );
}

function describe(issues: readonly z.core.$ZodIssue[]): string[] {
  return issues.map((issue) =>
    issue.code === "unrecognized_keys"
      ? `${issue.keys.join(", ")}: there is no such setting; docs/reference.md lists them`
      : `${issue.path.join(".") || "the file"}: ${issue.message}`,
  );
}

function contradictions({ servicePath, transitMount, transitKey, signing, stack }: VaultSettings): string[] {
  return [
    ...(signing?.mount === transitMount && signing.key === transitKey
      ? [`signing.key: must differ from transitKey (${transitKey}), which encrypts and cannot sign`]
      : []),
    ...(stack.vaultPath.startsWith(`${servicePath}/`)
      ? []
      : [`stack.vaultPath: must be below servicePath, ${servicePath}/, where a deploy may write`]),
    ...(stack.databaseCredentials === "dynamic" && stack.databaseHost === undefined
      ? ["stack.databaseHost: is missing; it is needed with databaseCredentials dynamic"]
      : []),
    ...(stack.platform === "kubernetes" && stack.hostCidr !== undefined
      ? ["stack.hostCidr: is for platform vm; remove it"]
      : []),
    ...(stack.tls === "vault" && stack.tlsPkiRole === undefined
      ? ["stack.tlsPkiRole: is missing; it is needed with tls vault"]
      : []),
  ];
}

/** What the agents of the stack need in Vault. */
export function stackInVault({ kvMount, stack }: VaultSettings): StackInVault {
  const { databaseHost: host, databasePort: port, databaseName: name, databaseSslMode: sslMode } = stack;
  return {
    kvMount,
    appRoleMount: APPROLE_MOUNT,
    vaultPath: stack.vaultPath,
    boundCidrs: stack.hostCidr === undefined ? undefined : [stack.hostCidr],
    ...(stack.databaseCredentials === "dynamic" && host !== undefined
      ? {
          database: {
            ...{ mount: DATABASE_MOUNT, host, port, name, sslMode },
            ...(sslMode === "verify-full" && stack.caFile !== undefined ? { authority: stack.caFile.pem } : {}),
          },
        }
      : {}),
    ...(stack.platform === "kubernetes"
      ? {
          kubernetes: {
            mount: stack.vaultKubernetesMount,
            audience: stack.vaultAudience,
            namespace: stack.kubeNamespace,
          },
        }
      : {}),
    ...(stack.tls === "vault" && stack.tlsPkiRole !== undefined
      ? { certificate: { mount: stack.tlsPkiMount, role: stack.tlsPkiRole } }
      : {}),
    ...(stack.log === "vault" ? { log: { mount: stack.logTransitMount, agent: logAgent(stack) } } : {}),
  };
}
