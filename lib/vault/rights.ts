import { inUrl, usualRange } from "../network-address";
import type { VaultPlan } from "./plan";

/**
 * Default lifetime of a secret_id, in seconds: 30 days. Vault limits it to the mount's maximum lease, by default 32
 * days.
 */
export const SECRET_ID_TTL = 30 * 24 * 3600;

/** Names of the agents' policies and AppRole roles in Vault. */
export const SERVICE_AGENT = "audit-svc";
export const CERTIFICATE_AGENT = "audit-edge-certificate";

/** Service account of the edge's pods; that of the service's pods is {@link SERVICE_AGENT}. */
const EDGE = "audit-edge";

/** The same of a stack on a cluster, so that it and one on a VM can share a Vault. */
export const onCluster = (agent: string): string => `${agent}-cluster`;

/** The service's agent on a platform, by which its policy, its role and the key of its log are named. */
export const serviceAgentOn = (platform: "vm" | "kubernetes"): string =>
  platform === "vm" ? SERVICE_AGENT : onCluster(SERVICE_AGENT);

/** Policy with which the program runs. */
export const DEPLOYER = "audit-deployer";

/** Mounts of the agents' auth method and of the database engine. */
export const APPROLE_MOUNT = "approle";
export const DATABASE_MOUNT = "database";

/** Name of the key that signs the checkpoints of the log that an agent's service keeps. */
export const logKeyOf = (agent: string): string => `${agent}-log`;

/** That key as Vault makes it: its private half leaves Vault in no way, and the key cannot be deleted. */
export const LOG_KEY = { type: "ed25519", exportable: false, allow_plaintext_backup: false };

/** What an agent that logs in to Vault by AppRole may do. */
export interface AgentRights {
  /** Its only policy, as HCL; the right to renew and to look up its own token is added. */
  policy: string;
  /** Address ranges that may log in with the AppRole and use its token; default any. */
  boundCidrs?: readonly string[];
  /**
   * Lifetime of the secret_id; seconds, default 30 days. It is needed only at log-in: a running agent renews its token.
   */
  secretIdTtl?: number;
}

/** What the agents of one stack need in Vault; the values are those of the stack's configuration. */
export interface StackInVault {
  kvMount: string;
  /** Path of the service's secret in the mount. */
  vaultPath: string;
  appRoleMount: string;
  boundCidrs?: readonly string[];
  /** Given when the agents run in pods: they log in by their service accounts, and not by AppRoles. */
  kubernetes?: { mount: string; audience: string; namespace: string };
  /** Given if Vault creates the database logins; `authority` is PEM, for verify-full. */
  database?: { mount: string; host: string; port: number; name: string; sslMode: string; authority?: string };
  /** Given if Vault issues the edge's certificate. */
  certificate?: { mount: string; role: string };
  /**
   * Given if Vault signs the checkpoints of the log: the mount of its transit engine, and the agent that the key is
   * named from, which is another platform's if the log began there.
   */
  log?: { mount: string; agent: string };
}

/**
 * Rights that the default policy usually gives; they concern only the token itself. Without renewal a periodic token
 * ends after its period. Without lookup nobody can tell when it ends and which secret_id it came from.
 */
const OWN_TOKEN = rule("auth/token/renew-self", "update") + rule("auth/token/lookup-self", "read");

/** A rule of a policy. */
export function rule(path: string, ...capabilities: string[]): string {
  return `path "${path}" {\n  capabilities = [${capabilities.map((c) => `"${c}"`).join(", ")}]\n}\n`;
}

/** The right to read one secret's data and nothing else: neither its metadata nor its list of versions. */
export const readOnlyPolicy = (mount: string, path: string): string => rule(`${mount}/data/${path}`, "read");

/** The right to request a login and to renew its lease. Leases are renewed by ID, and nobody else knows these IDs. */
export const credentialsPolicy = (path: string): string => rule(path, "read") + rule("sys/leases/renew", "update");

/** A key of Vault's transit engine. */
export interface TransitKey {
  mount: string;
  key: string;
}

/** The right to read a key's public half; Vault never shows the private one. */
export const publicKeyPolicy = ({ mount, key }: TransitKey): string => rule(`${mount}/keys/${key}`, "read");

/** The right to sign with one key, and to know by which public key that is checked. */
export const signingPolicy = (key: TransitKey): string =>
  rule(`${key.mount}/sign/${key.key}`, "update") + publicKeyPolicy(key);

/** All that the service's agent may do. */
export interface ServiceAgentRights {
  /** The one secret that it reads. */
  secret: { mount: string; path: string };
  /** Where Vault makes logins to the database; undefined = it makes none. */
  credentials?: { path: string };
  /** The key that the service signs with; undefined = it does not sign by Vault. */
  signing?: TransitKey;
}

/** The policy of the service's agent, without the rights that concern its own token. */
export const serviceAgentPolicy = ({ secret, credentials, signing }: ServiceAgentRights): string =>
  [
    readOnlyPolicy(secret.mount, secret.path),
    ...(credentials === undefined ? [] : [credentialsPolicy(credentials.path)]),
    ...(signing === undefined ? [] : [signingPolicy(signing)]),
  ].join("");

/** The right to issue certificates for one PKI role. */
export const certificatePolicy = ({ mount, role }: { mount: string; role: string }): string =>
  rule(`${mount}/issue/${role}`, "create", "update");

export const agentPolicy = ({ policy }: AgentRights): string => policy + OWN_TOKEN;

/** An agent's AppRole as it is written to Vault. */
export function agentRole(name: string, { boundCidrs, secretIdTtl }: AgentRights) {
  // Vault gives back what it is told in its usual spelling, and another would differ from it for ever.
  const cidrs = boundCidrs?.map(usualRange);
  return {
    tokenPolicies: [name],
    tokenNoDefaultPolicy: true,
    // Periodic: the agent can renew it forever while it runs; once it stops, the token ends within the hour.
    tokenPeriod: 3600,
    secretIdTtl: secretIdTtl ?? SECRET_ID_TTL,
    secretIdBoundCidrs: cidrs,
    tokenBoundCidrs: cidrs,
  };
}

/** Which pods may log in by a role of the Kubernetes auth method. */
export interface PodRights {
  serviceAccount: string;
  namespace: string;
  /** Of the token that they show; the API's own tokens have another. */
  audience: string;
}

/** Such a role as Vault is told of it. */
export const kubernetesRole = (name: string, { serviceAccount, namespace, audience }: PodRights) => ({
  boundServiceAccountNames: [serviceAccount],
  boundServiceAccountNamespaces: [namespace],
  audience,
  tokenPolicies: [name],
  tokenNoDefaultPolicy: true,
  // As of an AppRole: renewed for ever while the agent runs, gone within the hour once it does not.
  tokenPeriod: 3600,
});

/** How Vault logs in to the database and creates logins there that are members of the runtime group only. */
export function loginIssuer({
  host,
  port,
  name,
  sslMode,
}: Omit<NonNullable<StackInVault["database"]>, "mount" | "authority">) {
  return {
    connectionUrl: `postgresql://{{username}}:{{password}}@${inUrl(host)}:${port}/${name}?sslmode=${sslMode}`,
    username: `${name}_vault`,
    creationStatements: [
      `CREATE ROLE "{{name}}" WITH LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}' IN ROLE "${name}_runtime";`,
    ],
    // Vault's default statements would look for objects that the login owns; it cannot own any.
    revocationStatements: ['DROP ROLE IF EXISTS "{{name}}";'],
  };
}

/** How long a login works without renewal, and after how long a new one is created; seconds. */
export const LOGIN_TTL = { defaultTtl: 3600, maxTtl: 24 * 3600 };

/**
 * What must be in Vault before a deploy: policies and roles of the agents, the way to the database, and the key that
 * signs the log.
 */
export function planAgents(stack: StackInVault): VaultPlan {
  const { database, certificate, log, boundCidrs, kubernetes } = stack;
  const nameOf = (agent: string) => (kubernetes === undefined ? agent : onCluster(agent));
  const service = nameOf(SERVICE_AGENT);
  const signing = log && { mount: log.mount, key: logKeyOf(log.agent) };
  const agents: { name: string; serviceAccount: string; rights: AgentRights }[] = [
    {
      name: service,
      serviceAccount: SERVICE_AGENT,
      rights: {
        policy: serviceAgentPolicy({
          secret: { mount: stack.kvMount, path: stack.vaultPath },
          credentials: database && { path: `${database.mount}/creds/${service}` },
          signing,
        }),
        boundCidrs,
      },
    },
  ];
  if (certificate !== undefined) {
    const rights = { policy: certificatePolicy(certificate), boundCidrs };
    agents.push({ name: nameOf(CERTIFICATE_AGENT), serviceAccount: EDGE, rights });
  }
  return {
    engines: signing === undefined ? {} : { [signing.mount]: { type: "transit" } },
    methods: kubernetes === undefined ? {} : { [kubernetes.mount]: { type: "kubernetes" } },
    createOnly: signing === undefined ? [] : [{ path: `${signing.mount}/keys/${signing.key}`, body: LOG_KEY }],
    policies: Object.fromEntries(agents.map(({ name, rights }) => [name, agentPolicy(rights)])),
    ensure: [
      ...agents.map(({ name, serviceAccount, rights }) =>
        kubernetes === undefined
          ? ensuredRole(`auth/${stack.appRoleMount}/role/${name}`, agentRole(name, rights))
          : ensuredPodRole(kubernetes.mount, name, { serviceAccount, ...kubernetes }),
      ),
      ...(database === undefined ? [] : ensuredDatabase(service, database)),
    ],
  };
}

function ensuredPodRole(mount: string, name: string, rights: PodRights): VaultPlan["ensure"][number] {
  const role = kubernetesRole(name, rights);
  return {
    path: `auth/${mount}/role/${name}`,
    body: {
      bound_service_account_names: role.boundServiceAccountNames,
      bound_service_account_namespaces: role.boundServiceAccountNamespaces,
      audience: role.audience,
      token_policies: role.tokenPolicies,
      token_no_default_policy: role.tokenNoDefaultPolicy,
      token_period: role.tokenPeriod,
    },
  };
}

function ensuredRole(path: string, role: ReturnType<typeof agentRole>): VaultPlan["ensure"][number] {
  const ranges = role.tokenBoundCidrs ?? [];
  return {
    path,
    body: {
      bind_secret_id: true,
      token_policies: role.tokenPolicies,
      token_no_default_policy: role.tokenNoDefaultPolicy,
      token_period: role.tokenPeriod,
      secret_id_ttl: role.secretIdTtl,
      secret_id_bound_cidrs: ranges,
      // Vault returns a range of one address as that address.
      token_bound_cidrs: ranges.map((range) => range.replace(range.includes(":") ? /\/128$/ : /\/32$/, "")),
    },
  };
}

/** Without a password: a deploy gives it to Vault, which changes it at once (docs/decisions/0074). */
function ensuredDatabase(agent: string, database: NonNullable<StackInVault["database"]>): VaultPlan["ensure"] {
  const issuer = loginIssuer(database);
  return [
    {
      path: `${database.mount}/config/${agent}`,
      body: {
        plugin_name: "postgresql-database-plugin",
        allowed_roles: [agent],
        "connection_details.connection_url": issuer.connectionUrl,
        "connection_details.username": issuer.username,
        ...(database.authority === undefined ? {} : { "connection_details.tls_ca": database.authority }),
      },
      send: {
        plugin_name: "postgresql-database-plugin",
        allowed_roles: [agent],
        connection_url: issuer.connectionUrl,
        username: issuer.username,
        ...(database.authority === undefined ? {} : { tls_ca: database.authority }),
        verify_connection: false,
      },
    },
    {
      path: `${database.mount}/roles/${agent}`,
      body: {
        db_name: agent,
        creation_statements: issuer.creationStatements,
        revocation_statements: issuer.revocationStatements,
        default_ttl: LOGIN_TTL.defaultTtl,
        max_ttl: LOGIN_TTL.maxTtl,
      },
    },
  ];
}
