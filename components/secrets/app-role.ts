import * as command from "@pulumi/command";
import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import * as vault from "@pulumi/vault";
import { agentPolicy, agentRole } from "../../lib/vault/rights";
import { digestOf } from "../../lib/digest";
import { adopted, OWNED } from "./in-vault";
import { scriptInImage } from "../host/script-file";
import { stepCommand } from "../step-command";
import { dockerRun, type DockerRun } from "../../lib/shell";
import { vaultCliEnvironment, vaultEnvironment, type VaultForAgents } from "./vault-access";
import type { Vm } from "../vm/vm";

export interface AppRoleLoginArgs {
  vm: Vm;
  vault: VaultForAgents;
  /** Its only policy, as HCL; the right to renew and to look up its own token is added. */
  policy: string;
  /** Lifetime of the secret_id; seconds, default 30 days. */
  secretIdTtl?: number;
}

export interface AppRoleLogin {
  policy: vault.Policy;
  role: vault.approle.AuthBackendRole;
  /** The Vault image on the host. */
  image: docker.RemoteImage;
  /** Volume with the files `role_id` and `secret_id`. */
  credentials: docker.Volume;
  /** Must be done before the agent logs in; its id changes with each new secret_id. */
  delivered: pulumi.CustomResource;
  /** Environment by which the programs of steps/ find Vault and the role and deliver a secret_id. */
  environment: Readonly<Record<string, pulumi.Input<string>>>;
}

/** Uid of Vault in the official image. */
export const VAULT_UID = 100;
/** Directory of the credentials in the one-shot. */
const CREDENTIALS = "/credentials";

/**
 * An AppRole with one policy, and its credentials in a volume on the VM that only one user can read. The secret_id is
 * not a resource (docs/decisions/0005). All names derive from `name`, in Vault too.
 */
export function appRoleLogin(name: string, args: AppRoleLoginArgs, opts: { parent: pulumi.Resource }): AppRoleLogin {
  const { parent } = opts;
  const { vm, vault: access } = args;
  const inVault = { parent, provider: access.provider };
  const appRoleMount = access.appRoleMount ?? "approle";
  const made = access.inVault ?? OWNED;
  const rights = { policy: args.policy, boundCidrs: access.boundCidrs, secretIdTtl: args.secretIdTtl };
  const policy = new vault.Policy(
    `${name}-policy`,
    { name, policy: agentPolicy(rights) },
    { ...inVault, ...adopted(made, name) },
  );
  const role = new vault.approle.AuthBackendRole(
    `${name}-role`,
    { backend: appRoleMount, roleName: name, ...agentRole(name, rights) },
    { ...inVault, dependsOn: [policy], ...adopted(made, `auth/${appRoleMount}/role/${name}`) },
  );
  const image = vm.image(`${name}-agent-image`, access.agentImage, { parent });
  const credentials = new docker.Volume(
    `${name}-credentials`,
    { name: `${name}-credentials` },
    { parent, provider: vm.provider },
  );
  const environment = {
    ...vaultEnvironment(access),
    AUDIT_APPROLE: pulumi.interpolate`auth/${appRoleMount}/role/${role.roleName}`,
    AUDIT_DELIVER: vm.commandFor(
      dockerRun({
        image: access.agentImage,
        ...unwrap(`auth/${appRoleMount}/role/${name}/secret-id`, access.namespace),
        interactive: true,
        network: vm.networks.names.egress,
        volumes: [`${name}-credentials:${CREDENTIALS}`],
        // The files are given to the agent's user; without these capabilities root could not change their owner or
        // replace them.
        capabilities: ["CHOWN", "DAC_OVERRIDE", "FOWNER"],
        environment: { ...vaultCliEnvironment(access), HOME: "/tmp" },
      }),
    ),
  };
  const delivered = new command.local.Command(
    `${name}-secret-id`,
    {
      create: stepCommand("deliver-secret-id"),
      environment,
      triggers: [role.roleId, digestOf({ ttl: args.secretIdTtl, cidrs: access.boundCidrs }), access.secretIdIssue],
      logging: command.types.enums.local.Logging.Stderr,
    },
    { parent, dependsOn: [credentials, image, vm.networks] },
  );
  return { policy, role, image, credentials, delivered, environment };
}

/**
 * The script that unwraps a secret_id in the one-shot on the VM.
 *
 * @param creationPath path at which the role's secret_ids are issued
 */
export function unwrap(creationPath: string, namespace?: string): Pick<DockerRun, "entrypoint" | "command"> {
  return scriptInImage("unwrap-secret-id.sh", [CREDENTIALS, VAULT_UID, creationPath, namespace ?? ""]);
}
