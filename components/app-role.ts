import * as command from "@pulumi/command";
import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import * as vault from "@pulumi/vault";
import { agentPolicy, agentRole, type AgentRights } from "../vault-agent/rights";
import { digestOf } from "./digest";
import type { DockerHost } from "./docker-host";
import type { Networks } from "./networks";
import { adopted, OWNED } from "./in-vault";
import { scriptInImage } from "./script-file";
import { dockerRun, type DockerRun } from "./shell";
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
/** Directory of the credentials in the one-shot. */
const CREDENTIALS = "/credentials";

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
        ...unwrap(`auth/${appRoleMount}/role/${name}/secret-id`, args.vault.namespace),
        interactive: true,
        network: args.networks.names.egress,
        volumes: [`${name}-credentials:${CREDENTIALS}`],
        // The files become the agent's own; without these rights root could not give them away or replace them.
        capabilities: ["CHOWN", "DAC_OVERRIDE", "FOWNER"],
        environment: { ...vaultCliEnvironment(args.vault), HOME: "/tmp" },
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
 * What takes a secret_id out of its wrapping, in the one-shot on the VM.
 *
 * @param creationPath path at which the role's secret_ids are issued
 */
export function unwrap(creationPath: string, namespace?: string): Pick<DockerRun, "entrypoint" | "command"> {
  return scriptInImage("unwrap-secret-id.sh", [CREDENTIALS, VAULT_UID, creationPath, namespace ?? ""]);
}
