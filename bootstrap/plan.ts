import type { VaultSettings } from "./settings";

/** What Vault shall hold for the program and its pipeline, as plain data: what is in it is asserted, nothing else is touched. */
export interface VaultPlan {
  /** Secrets engines by path. */
  engines: Record<string, { type: string; options?: Record<string, string> }>;
  /** Auth methods by path. */
  methods: Record<string, { type: string }>;
  /** ACL policies by name. */
  policies: Record<string, string>;
  /** Things that are made once and then left alone: a key must not be made a second time. */
  once: { path: string; body: object }[];
  /**
   * Things whose given fields are kept as they are here; lists are sets, durations are seconds. `send` is the body where Vault takes
   * something in another shape than it shows it; default: as it is here.
   */
  kept: { path: string; body: Record<string, unknown>; send?: object }[];
}

/** What a pipeline's job logs in for; each has a role `audit-ci-<purpose>` and a secret of its own (docs/decisions/0052). */
const PURPOSES = ["preview", "publish", "deploy", "drift"] as const;
type Purpose = (typeof PURPOSES)[number];

/** Beginnings of the names that the program gives its own policies and roles; those of the pipeline begin otherwise. */
const AGENTS = ["audit-svc", "audit-edge"];

/** Policy with which the program runs; also the sandbox's. */
export const DEPLOYER = "audit-deployer";

/**
 * How long a job's token lives, seconds; it cannot be renewed beyond. The program uses the token itself (`skipChildToken`), so
 * that of a deploy must outlive the longest `pulumi up`: an hour, which is also GitLab's default limit of a job.
 */
const LIFE: Record<Purpose, number> = { preview: 1800, publish: 1800, deploy: 3600, drift: 3600 };

export function planVault(settings: VaultSettings): VaultPlan {
  const { kvMount, ciPath, transitMount, transitKey, ssh, gitlab } = settings;
  const secretOf = (purpose: Purpose) => rule(`${kvMount}/data/${ciPath}/${purpose}`, "read");
  // A preview runs what nobody has reviewed, so it has a copy of the state without secrets, which a deploy writes (docs/decisions/0131).
  const copy = `${kvMount}/data/${ciPath}/state-copy/*`;
  const copyOfState = { preview: rule(copy, "read"), publish: "", deploy: rule(copy, "create", "update"), drift: "" };
  const onVm = ssh === null ? [] : ["audit-ci-ssh"];
  const policies: Record<Purpose, string[]> = {
    preview: ["audit-ci-preview"],
    publish: ["audit-ci-publish"],
    deploy: ["audit-ci-deploy", ...onVm, DEPLOYER],
    drift: ["audit-ci-drift", ...onVm, DEPLOYER],
  };
  const claims: Record<Purpose, Record<string, string>> = {
    preview: {},
    publish: { ref_protected: "true" },
    deploy:
      settings.deployFrom === "tag"
        ? { ref_protected: "true", ref_type: "tag" }
        : { ref_protected: "true", ref_type: "branch", ref: gitlab.defaultBranch },
    drift: { ref_protected: "true", ref_type: "branch", ref: gitlab.defaultBranch },
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
  return {
    engines: {
      [kvMount]: { type: "kv", options: { version: "2" } },
      [transitMount]: { type: "transit" },
      [settings.databaseMount]: { type: "database" },
      ...(ssh === null ? {} : { [ssh.mount]: { type: "ssh" } }),
    },
    methods: { [settings.appRoleMount]: { type: "approle" }, [settings.jwtMount]: { type: "jwt" } },
    policies: {
      [DEPLOYER]: deployerPolicy(settings),
      ...Object.fromEntries(
        PURPOSES.map((purpose) => [`audit-ci-${purpose}`, secretOf(purpose) + copyOfState[purpose]]),
      ),
      ...(ssh === null ? {} : { "audit-ci-ssh": rule(`${ssh.mount}/sign/${ssh.role}`, "update") }),
    },
    once: [
      { path: `${transitMount}/keys/${transitKey}`, body: {} },
      ...(ssh === null ? [] : [{ path: `${ssh.mount}/config/ca`, body: { generate_signing_key: true } }]),
    ],
    kept: [
      {
        // By default five refusals shut a role out for a quarter of an hour. Nobody guesses a secret_id, so that protects from
        // nothing; but an agent whose secret_id has ended goes on trying, and would keep the next one out (docs/decisions/0075).
        path: `sys/auth/${settings.appRoleMount}/tune`,
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
      ...PURPOSES.map(role),
      ...(ssh === null
        ? []
        : [
            {
              path: `${ssh.mount}/roles/${ssh.role}`,
              body: { key_type: "ca", allow_user_certificates: true, allowed_users: ssh.user, ttl: 1800 },
            },
          ]),
    ],
  };
}

function rule(path: string, ...capabilities: string[]): string {
  return `path "${path}" {\n  capabilities = [${capabilities.map((c) => `"${c}"`).join(", ")}]\n}\n`;
}

/**
 * What the program may do in Vault, and no more. It writes policies and AppRole roles whose names begin with AGENTS: whoever may
 * write a policy may grant with it, so this token is as valuable as what such a policy can reach. Keep it to protected pipelines.
 */
function deployerPolicy(settings: VaultSettings): string {
  const { kvMount, servicePath, transitMount, transitKey, appRoleMount, databaseMount } = settings;
  const below = `${servicePath}/*`;
  return [
    "# The service's secrets.",
    rule(`${kvMount}/data/${below}`, "create", "read", "update", "delete"),
    rule(`${kvMount}/metadata/${below}`, "create", "read", "update", "delete", "list"),
    ...["delete", "undelete", "destroy"].map((verb) => rule(`${kvMount}/${verb}/${below}`, "update")),
    "# A policy and an AppRole role for the Vault Agents beside the service and the edge, and their secret_ids.",
    ...AGENTS.flatMap((name) => [
      rule(`sys/policies/acl/${name}*`, "create", "read", "update", "delete"),
      rule(`auth/${appRoleMount}/role/${name}*`, "create", "read", "update", "delete", "list"),
    ]),
    "# Credentials of the database that Vault makes (audit:databaseCredentials: dynamic). It cannot read any itself.",
    ...["config", "roles"].map((what) =>
      rule(`${databaseMount}/${what}/audit-svc*`, "create", "read", "update", "delete"),
    ),
    rule(`${databaseMount}/rotate-root/audit-svc*`, "create", "update"),
    "# When the program gives that up, the credentials end before what has made them is gone. Vault asks for sudo here.",
    rule(`sys/leases/revoke-prefix/${databaseMount}/creds/audit-svc`, "update", "sudo"),
    "# Which mounts there are; the plugin looks a mount up before it writes to it.",
    ...["sys/mounts", `sys/mounts/${kvMount}`, "sys/auth"].map((path) => rule(path, "read")),
    "# Encrypts the secrets in the stack's state.",
    ...["encrypt", "decrypt"].map((verb) => rule(`${transitMount}/${verb}/${transitKey}`, "update")),
  ].join("\n");
}
