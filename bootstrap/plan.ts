import type { VaultPlan } from "../lib/vault/plan";
import {
  APPROLE_MOUNT,
  CERTIFICATE_AGENT,
  DATABASE_MOUNT,
  DEPLOYER,
  logKeyOf,
  onCluster,
  planAgents,
  publicKeyPolicy,
  rule,
  SERVICE_AGENT,
} from "../lib/vault/rights";
import { stackInVault, type VaultSettings } from "./settings";

/**
 * Purposes for which jobs log in; each has its own role `audit-ci-<purpose>` and its own secret (docs/decisions/0052).
 */
const PURPOSES = ["preview", "publish", "deploy", "drift", "witness"] as const;
type Purpose = (typeof PURPOSES)[number];

/** Policy for the job drift: it allows no change and reads no secret. */
const READER = "audit-reader";

/**
 * Lifetime of a job's token, seconds; it cannot be renewed beyond that. The program uses the token directly
 * (`skipChildToken`), so a deploy's token must outlive the longest `pulumi up`: an hour, which is also GitLab's default
 * job timeout. A publish uses its token after the build, to sign.
 */
const LIFE: Record<Purpose, number> = { preview: 1800, publish: 3600, deploy: 3600, drift: 3600, witness: 1800 };

/** The content of Vault that the program and its pipeline need. */
export function planVault(settings: VaultSettings): VaultPlan {
  const { kvMount, ciPath, transitMount, transitKey, signing, ssh, gitlab } = settings;
  const secretOf = (purpose: Purpose) => rule(`${kvMount}/data/${ciPath}/${purpose}`, "read");
  // A preview runs unreviewed code, so it gets a copy of the state without secrets, which a deploy writes
  // (docs/decisions/0131).
  const copy = `${kvMount}/data/${ciPath}/state-copy/*`;
  const mayReadCopy = rule(copy, "read");
  const more: Record<Purpose, string> = {
    preview: mayReadCopy,
    publish: "",
    deploy: rule(copy, "create", "update"),
    drift: mayReadCopy,
    // The log's public keys are in the copy; the log itself is for readers.
    witness: mayReadCopy + rule(`${kvMount}/data/${settings.servicePath}/+/reader`, "read"),
  };
  const policies: Record<Purpose, string[]> = {
    preview: ["audit-ci-preview"],
    publish: ["audit-ci-publish", ...(signing === null ? [] : ["audit-ci-signing"])],
    deploy: ["audit-ci-deploy", ...(ssh === null ? [] : ["audit-ci-ssh"]), DEPLOYER],
    witness: ["audit-ci-witness"],
    drift: ["audit-ci-drift", ...(ssh === null ? [] : ["audit-ci-ssh-read"]), READER],
  };
  // A pipeline started by hand may change the jobs' image; a schedule has only its owner's variables.
  const ofSchedules = {
    ...{ ref_protected: "true", ref_type: "branch", ref: gitlab.defaultBranch, pipeline_source: "schedule" },
  };
  const claims: Record<Purpose, Record<string, string>> = {
    preview: {},
    publish: { ref_protected: "true" },
    deploy: {
      ...(settings.deployFrom === "tag"
        ? { ref_protected: "true", ref_type: "tag" }
        : { ref_protected: "true", ref_type: "branch", ref: gitlab.defaultBranch }),
      ...(gitlab.protectedEnvironment === undefined
        ? {}
        : { environment: gitlab.protectedEnvironment, environment_protected: "true" }),
    },
    drift: ofSchedules,
    witness: ofSchedules,
  };
  const role = (purpose: Purpose) => ({
    path: `auth/${settings.jwtMount}/role/audit-ci-${purpose}`,
    body: {
      role_type: "jwt",
      user_claim: "sub",
      bound_audiences: [settings.audience],
      bound_claims: {
        project_path: gitlab.project,
        ...(gitlab.projectId === undefined ? {} : { project_id: String(gitlab.projectId) }),
        ...claims[purpose],
      },
      token_policies: policies[purpose],
      token_ttl: LIFE[purpose],
      token_explicit_max_ttl: LIFE[purpose],
    },
  });
  const agents = planAgents(stackInVault(settings));
  return {
    engines: {
      [kvMount]: { type: "kv", options: { version: "2" } },
      [transitMount]: { type: "transit" },
      ...agents.engines,
      ...(signing === null ? {} : { [signing.mount]: { type: "transit" } }),
      [DATABASE_MOUNT]: { type: "database" },
      ...(ssh === null ? {} : { [ssh.mount]: { type: "ssh" } }),
    },
    methods: { [APPROLE_MOUNT]: { type: "approle" }, [settings.jwtMount]: { type: "jwt" }, ...agents.methods },
    policies: {
      ...agents.policies,
      [DEPLOYER]: deployerPolicy(settings),
      [READER]: readerPolicy(settings),
      ...Object.fromEntries(PURPOSES.map((purpose) => [`audit-ci-${purpose}`, secretOf(purpose) + more[purpose]])),
      ...(signing === null ? {} : { "audit-ci-signing": imageSigning(signing) }),
      ...(ssh === null
        ? {}
        : {
            "audit-ci-ssh": sshSigning(`${ssh.mount}/sign/${ssh.role}`),
            "audit-ci-ssh-read": sshSigning(`${ssh.mount}/sign/${readingRole(ssh.role)}`),
          }),
    },
    createOnly: [
      ...agents.createOnly,
      { path: `${transitMount}/keys/${transitKey}`, body: {} },
      ...(signing === null ? [] : [{ path: `${signing.mount}/keys/${signing.key}`, body: { type: "ecdsa-p256" } }]),
      ...(ssh === null ? [] : [{ path: `${ssh.mount}/config/ca`, body: { generate_signing_key: true } }]),
    ],
    ensure: [
      {
        // By default five refused log-ins lock a role out for 15 minutes. Nobody can guess a secret_id, so that
        // protects from nothing. But an agent whose secret_id has expired keeps trying, and would lock out the next one
        // (docs/decisions/0075).
        path: `sys/auth/${APPROLE_MOUNT}/tune`,
        body: { user_lockout_disable: true },
        send: { user_lockout_config: { lockout_disable: true } },
      },
      {
        path: `auth/${settings.jwtMount}/config`,
        body: {
          bound_issuer: gitlab.url,
          ...(gitlab.publicKeys === undefined
            ? { oidc_discovery_url: gitlab.url, oidc_discovery_ca_pem: gitlab.caFile?.pem ?? "" }
            : { jwt_validation_pubkeys: gitlab.publicKeys }),
        },
      },
      ...agents.ensure,
      ...PURPOSES.map(role),
      ...(ssh === null
        ? []
        : [
            { path: `${ssh.mount}/roles/${ssh.role}`, body: certificateRole(ssh.user) },
            {
              path: `${ssh.mount}/roles/${readingRole(ssh.role)}`,
              body: { ...certificateRole(ssh.user), default_critical_options: { "force-command": ssh.readCommand } },
            },
          ]),
    ],
  };
}

/** Name of the SSH role whose certificates allow only a read-only command; the job drift uses this name. */
export const readingRole = (role: string): string => `${role}-read`;

/** No terminal, no forwarding, at most half an hour, whatever the request asks for. */
const certificateRole = (user: string) => ({
  key_type: "ca",
  allow_user_certificates: true,
  allowed_users: user,
  default_extensions: {},
  ttl: 1800,
  max_ttl: 1800,
});

/** The caller may give a key and a login name; the role sets the certificate's lifetime and options. */
function sshSigning(path: string): string {
  return `path "${path}" {\n  capabilities = ["update"]\n  allowed_parameters = {\n    "public_key" = []\n    "valid_principals" = []\n  }\n}\n`;
}

/**
 * The right to sign and to read the public key; Vault never shows the private one. cosign itself uses the same path.
 */
const imageSigning = ({ mount, key }: { mount: string; key: string }): string =>
  rule(`${mount}/sign/${key}/sha2-256`, "update") + rule(`${mount}/keys/${key}`, "read");

/**
 * All that the program may do in Vault: write the service's secrets, and issue and revoke the agents' secret_ids. It
 * may read the policies and roles that are created here but not write them, because whoever may write one can grant
 * anything with it.
 */
function deployerPolicy(settings: VaultSettings): string {
  const { kvMount, servicePath, transitMount, transitKey, stack } = settings;
  const below = `${servicePath}/*`;
  return [
    "# The service's secrets.",
    rule(`${kvMount}/data/${below}`, "create", "read", "update", "delete"),
    rule(`${kvMount}/metadata/${below}`, "create", "read", "update", "delete", "list"),
    ...["delete", "undelete", "destroy"].map((verb) => rule(`${kvMount}/${verb}/${below}`, "update")),
    "# The Vault Agents beside the service and the edge: what they may is read, their secret_ids are issued and ended.",
    ...[SERVICE_AGENT, CERTIFICATE_AGENT].flatMap((name) => {
      const role = `auth/${APPROLE_MOUNT}/role/${name}`;
      return [
        rule(`sys/policies/acl/${name}`, "read"),
        rule(role, "read"),
        rule(`${role}/role-id`, "read"),
        rule(`${role}/secret-id`, "update", "list"),
        ...["lookup", "destroy"].map((verb) => rule(`${role}/secret-id-accessor/${verb}`, "update")),
      ];
    }),
    "# The same of a stack on a cluster, whose agents have no secret_ids.",
    ...[SERVICE_AGENT, CERTIFICATE_AGENT]
      .map(onCluster)
      .flatMap((name) => [
        rule(`sys/policies/acl/${name}`, "read"),
        rule(`auth/${stack.vaultKubernetesMount}/role/${name}`, "read"),
      ]),
    "# Which cluster Vault asks about pods' tokens, for the doctor.",
    rule(`auth/${stack.vaultKubernetesMount}/config`, "read"),
    ...[SERVICE_AGENT, onCluster(SERVICE_AGENT)].flatMap(databaseRules),
    "# The public keys by which others check the log. Signing is the services' agents' alone.",
    ...logKeys(settings).map(publicKeyPolicy),
    "# Which mounts there are; the plugin looks a mount up before it writes to it.",
    ...["sys/mounts", `sys/mounts/${kvMount}`, "sys/auth"].map((path) => rule(path, "read")),
    "# Encrypts the secrets in the stack's state.",
    ...["encrypt", "decrypt"].map((verb) => rule(`${transitMount}/${verb}/${transitKey}`, "update")),
  ].join("\n");
}

/** The keys that sign the log: of a stack on a VM, and of one on a cluster. */
const logKeys = ({ stack }: VaultSettings) =>
  [SERVICE_AGENT, onCluster(SERVICE_AGENT)].map((agent) => ({ mount: stack.logTransitMount, key: logKeyOf(agent) }));

const databaseRules = (agent: string): string[] => [
  `# Credentials of the database that Vault makes for ${agent} (audit:databaseCredentials: dynamic). A deploy gives Vault the password of Vault's`,
  "# own login and has it changed at once. To which server Vault talks, and what it does there, is not a deploy's to say.",
  passwordOnly(`${DATABASE_MOUNT}/config/${agent}`),
  rule(`${DATABASE_MOUNT}/roles/${agent}`, "read"),
  rule(`${DATABASE_MOUNT}/rotate-root/${agent}`, "update"),
  "# When the program gives that up, the credentials end before what has made them is gone. Vault asks for sudo here.",
  rule(`sys/leases/revoke-prefix/${DATABASE_MOUNT}/creds/${agent}`, "update", "sudo"),
];

/**
 * What the job drift may do in Vault: read policies, roles, and the version numbers of the service's secrets. It may
 * read no secret, not even the state's, so this login opens nothing else.
 */
function readerPolicy(settings: VaultSettings): string {
  const { kvMount, servicePath, stack } = settings;
  const role = (name: string) => `auth/${APPROLE_MOUNT}/role/${name}`;
  return [
    ...[SERVICE_AGENT, CERTIFICATE_AGENT].flatMap((name) => [
      ...[`sys/policies/acl/${name}`, role(name), `${role(name)}/role-id`],
    ]),
    ...[SERVICE_AGENT, CERTIFICATE_AGENT]
      .map(onCluster)
      .flatMap((name) => [`sys/policies/acl/${name}`, `auth/${stack.vaultKubernetesMount}/role/${name}`]),
    ...[SERVICE_AGENT, onCluster(SERVICE_AGENT)].flatMap((name) => [
      ...[`${DATABASE_MOUNT}/config/${name}`, `${DATABASE_MOUNT}/roles/${name}`],
    ]),
    `${kvMount}/metadata/${servicePath}/*`,
    ...logKeys(settings).map(({ mount, key }) => `${mount}/keys/${key}`),
    ...["sys/mounts", `sys/mounts/${kvMount}`, "sys/auth"],
  ]
    .map((path) => rule(path, "read"))
    .join("\n");
}

function passwordOnly(path: string): string {
  return `path "${path}" {\n  capabilities = ["read", "update"]\n  allowed_parameters = {\n    "password" = []\n    "verify_connection" = []\n  }\n}\n`;
}
