import * as command from "@pulumi/command";
import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import * as vault from "@pulumi/vault";
import { agentPolicy, agentRole, type AgentRights } from "../vault-agent/rights";
import { digestOf } from "./digest";
import type { DockerHost } from "./docker-host";
import type { Networks } from "./networks";
import { adopted, OWNED } from "./in-vault";
import { dockerRun } from "./shell";
import { vaultCliEnvironment, vaultEnvironment, type VaultForAgents } from "./vault-access";

export interface AppRoleLoginArgs extends AgentRights {
  vault: VaultForAgents;
  host: DockerHost;
  /** Vault image by digest, for the one-shot that unwraps. */
  image: string;
  /** The one-shot reaches Vault by `egress`. */
  networks: Networks;
  /** What {@link secretIdIssue} says: another one, and a new secret_id is issued. */
  secretIdIssue: string;
}

export interface AppRoleLogin {
  policy: vault.Policy;
  role: vault.approle.AuthBackendRole;
  /** The Vault image on the host. */
  image: docker.RemoteImage;
  /** Volume with the files `role_id` and `secret_id`. */
  credentials: docker.Volume;
  /** What must be done before somebody logs in; its id is another one after each new secret_id. */
  delivered: pulumi.CustomResource;
  /** By what the programs of vault-agent/ find Vault and the role, and deliver a secret_id. */
  environment: Readonly<Record<string, pulumi.Input<string>>>;
}

/** Uid of Vault in the official image. */
export const VAULT_UID = 100;

/**
 * An AppRole with one policy, and its credentials in a volume on the VM that one user reads. The secret_id is not a
 * resource (docs/decisions/0005). All resources are named from `name`, also in Vault.
 */
export function appRoleLogin(name: string, args: AppRoleLoginArgs, opts: { parent: pulumi.Resource }): AppRoleLogin {
  const { parent } = opts;
  const inVault = { parent, provider: args.vault.provider };
  const appRoleMount = args.vault.appRoleMount ?? "approle";
  const made = args.vault.inVault ?? OWNED;
  const policy = new vault.Policy(
    `${name}-policy`,
    { name, policy: agentPolicy(args) },
    { ...inVault, ...adopted(made, name) },
  );
  const role = new vault.approle.AuthBackendRole(
    `${name}-role`,
    { backend: appRoleMount, roleName: name, ...agentRole(name, args) },
    { ...inVault, dependsOn: [policy], ...adopted(made, `auth/${appRoleMount}/role/${name}`) },
  );
  const image = args.host.image(`${name}-agent-image`, args.image, { parent });
  const credentials = new docker.Volume(
    `${name}-credentials`,
    { name: `${name}-credentials` },
    { parent, provider: args.host.provider },
  );
  const environment = {
    ...vaultEnvironment(args.vault),
    AUDIT_APPROLE: pulumi.interpolate`auth/${appRoleMount}/role/${role.roleName}`,
    AUDIT_DELIVER: args.host.commandFor(
      dockerRun({
        image: args.image,
        entrypoint: "sh",
        interactive: true,
        network: args.networks.names.egress,
        volumes: [`${name}-credentials:/credentials`],
        // The files become the agent's own; without these rights root could not give them away or replace them.
        capabilities: ["CHOWN", "DAC_OVERRIDE", "FOWNER"],
        environment: { ...vaultCliEnvironment(args.vault), HOME: "/tmp" },
        command: ["-c", unwrapScript(`auth/${appRoleMount}/role/${name}/secret-id`, args.vault.namespace)],
      }),
    ),
  };
  const delivered = new command.local.Command(
    `${name}-secret-id`,
    {
      create: "node --require tsx/cjs vault-agent/deliver-secret-id.ts",
      environment,
      triggers: [role.roleId, digestOf({ ttl: args.secretIdTtl, cidrs: args.boundCidrs }), args.secretIdIssue],
      logging: command.types.enums.local.Logging.Stderr,
    },
    { parent, dependsOn: [credentials, image, args.networks] },
  );
  return { policy, role, image, credentials, delivered, environment };
}

/**
 * Shell text for the one-shot on the VM. Standard input, each on a line: the role_id, the name of this issue, the wrapping token.
 * Beside the credentials it writes down which issue they are and when they end. The token goes through a file in memory, because arguments and environment can be read by others on the machine. A
 * wrapper made by anything but this role's secret-id endpoint, or already used, is a sign of somebody in between.
 *
 * @param namespace Vault's namespace, with which some versions begin the path
 */
export function unwrapScript(creationPath: string, namespace?: string): string {
  return [
    "set -eu",
    "umask 077",
    "read -r role_id",
    "read -r issue",
    "read -r token",
    `alarm() { echo "ALARM: $1 The secret_id may be known to somebody else: find out who held the wrapping token, then deploy again." >&2; exit 1; }`,
    `made=$(printf %s "$token" | vault write -field=creation_path sys/wrapping/lookup token=- 2>/tmp/error) || alarm "the wrapping token was already used or has expired."`,
    ...(namespace === undefined ? [] : [`made=\${made#"${namespace}"/}`]),
    `test "$made" = "${creationPath}" || alarm "the wrapping token was made by $made and not by ${creationPath}."`,
    `printf %s "$token" > "$HOME/.vault-token"`,
    `vault unwrap -format=json > /tmp/unwrapped 2>/tmp/error || alarm "the wrapping token was used between look-up and unwrapping."`,
    `field() { sed -n 's/.*"'"$1"'": "\\{0,1\\}\\([^",]*\\).*/\\1/p' /tmp/unwrapped; }`,
    'printf %s "$(field secret_id)" > /tmp/secret_id',
    "test -s /tmp/secret_id",
    `printf %s "$role_id" > /tmp/role_id`,
    `printf %s "$issue" > /tmp/issue`,
    "life=$(field secret_id_ttl)",
    'if [ "$life" = 0 ]; then echo +Inf; else echo "$(( $(date +%s) + life ))"; fi > /tmp/expiry',
    ...["role_id", "secret_id", "expiry", "issue"].flatMap((file) => [
      `cp /tmp/${file} /credentials/.${file}`,
      `chmod 0400 /credentials/.${file}`,
      `chown ${VAULT_UID} /credentials/.${file}`,
      `mv -f /credentials/.${file} /credentials/${file}`,
    ]),
    `chown ${VAULT_UID} /credentials`,
    "chmod 0500 /credentials",
  ].join("; ");
}
