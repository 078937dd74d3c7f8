import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import * as vault from "@pulumi/vault";
import { renderAgentConfig, renderTemplate } from "../../vault-agent/render";
import { serviceAgentPolicy, type TransitKey } from "../../lib/vault/rights";
import { appRoleLogin, VAULT_UID, type AppRoleLogin } from "./app-role";
import { SIGNING_SOCKET } from "./log-key";
import type { DatabaseCredentials } from "../database/database-credentials";
import { heldUntil } from "../../lib/held";
import { leftOut, renderedDigest } from "./rendered-digest";
import type { Replica } from "../release/release";
import { scriptLine } from "../host/script-file";
import { commandLine } from "../../lib/shell";
import { beforeFixedAddress, type SlotsAsSeen } from "../release/slots";
import type { VaultForAgents } from "./vault-access";
import type { Vm } from "../vm/vm";
import { AUTHORITY_FILE, RELOAD_COMMAND, vaultAgent, type AgentMetrics, type VaultAgent } from "./vault-agent";
import { UserError } from "../../lib/user-error";

/** Where the rendered file is, in the agent and in the service. */
const RENDERED_DIRECTORY = "/run/audit";
/** Numeric group of the reference service. */
const SERVICE_GID = 10001;

export interface SecretsBindingArgs {
  /**
   * The agent joins its networks `egress`, to reach Vault, and `admin`, to reach the replicas' admin port. It also
   * joins `front` while a replica takes its reload on the main port.
   */
  vm: Vm;
  vault: VaultForAgents;
  /** Where the secret is in Vault: a KV version 2 mount and the path in it; the policy covers exactly this path. */
  secret: { mount: string; path: string };
  /** Content of the service's configuration file. */
  data: pulumi.Input<Record<string, unknown>>;
  /** Vault creates `database.user` and `database.password`; default: they are in the data. */
  credentials?: DatabaseCredentials;
  /**
   * Key of Vault's transit engine with which the service may sign, through the agent: at {@link SIGNING_SOCKET}, beside
   * the rendered file. Default: none.
   */
  signing?: TransitKey;
  /** Numeric group of the service, which may read the rendered file; default 10001. */
  serviceGid?: number;
  /**
   * The replicas to reload, and how to tell which slot is active. Default: nobody is notified; a reader has to check
   * the file itself.
   */
  slots?: SlotsAsSeen;
  /** How often the agent asks Vault for a newer secret; seconds, default 5. */
  renderInterval?: number;
  /** How long replicas have to confirm a reload; seconds, default 30. */
  reloadDeadline?: number;
  /**
   * Lifetime of a secret_id; seconds, default 30 days. It is needed only at log-in: a running agent renews its token.
   */
  secretIdTtl?: number;
}

/**
 * A secret in Vault and its way into one file on the VM: the secret itself, a policy that reads exactly that path, an
 * AppRole with only that policy, and a Vault Agent. The agent logs in with the AppRole, renders the file into a tmpfs
 * volume, and makes every replica reload it after a change.
 *
 * The secret_id is not a resource: each deploy issues it response-wrapped and unwraps it on the VM into a volume that
 * only the agent reads. It is in no state, log, argument list or environment (docs/decisions/0005). Each deploy issues
 * a new one and revokes the former (docs/decisions/0072).
 *
 * Options of the container that reads the file: `vm.named(name)` if its name is fixed, so that it is recreated when it is
 * lost; otherwise `{ provider: vm.provider }`.
 *
 * @example
 * const secrets = new SecretsBinding("greeting", {
 *   vm,
 *   vault,
 *   secret: { mount: "secret", path: "greeting" },
 *   data: { password: new random.RandomPassword("greeting", { length: 32 }).result },
 * });
 * new docker.Container(
 *   "greeting",
 *   {
 *     image: "registry/greeting@sha256:...",
 *     mounts: [{ type: "volume", source: secrets.configVolume, target: "/run/secrets", readOnly: true }],
 *   },
 *   { provider: vm.provider, dependsOn: [secrets.rendered] },
 * );
 */
export class SecretsBinding extends pulumi.ComponentResource {
  /** Docker volume (tmpfs) with the rendered file. */
  readonly configVolume: pulumi.Output<string>;
  /** Name of the rendered file within the volume. */
  readonly configFile = "config.json";
  readonly roleName: pulumi.Output<string>;
  readonly policyName: pulumi.Output<string>;
  /** Name of the agent's container; known once it has logged in with its newest secret_id. */
  readonly agent: pulumi.Output<string>;
  /** Metrics about the agent's log-in, for Prometheus. */
  readonly agentMetrics: AgentMetrics;
  /** Done once the file holds the secret that this run wrote. */
  readonly rendered: pulumi.Resource;
  /** What {@link confirmation} needs: the host, the digest of the secret, and the resources that it waits for. */
  readonly #rendering: {
    name: string;
    vm: Vm;
    digest: pulumi.Output<string>;
    done: readonly pulumi.Resource[];
    /** Whether replicas are told to reload. */
    reloads: boolean;
  };

  constructor(name: string, args: SecretsBindingArgs, opts?: pulumi.ComponentResourceOptions) {
    super("audit:index:SecretsBinding", name, {}, opts);
    const { vm, vault, credentials } = args;
    const login = appRoleLogin(
      name,
      {
        ...{ vm, vault, secretIdTtl: args.secretIdTtl },
        policy: serviceAgentPolicy(args),
      },
      { parent: this },
    );
    const volume = this.#createVolume(name, args);
    // The order matters: neither the former agent nor the new one may read a secret from which its template renders no
    // login.
    const agent = this.#createAgent(name, args, {
      ...{ login, volume },
      dependsOn: [
        credentials ? credentials.ready : this.#createSecret(name, args, []),
        ...(args.slots?.reloadOnFront ? beforeFixedAddress(args.slots) : []),
      ],
    });
    if (credentials) this.#createSecret(name, args, [agent.container]);

    const digest = renderedDigest(args);
    this.rendered = vm.script(
      `${name}-rendered`,
      {
        script: digest.apply((wanted) =>
          scriptLine("wait-rendered.sh", [`${name}-agent`, this.#configPath, wanted, 60, leftOut(args) ?? ""]),
        ),
        // The volume is a tmpfs: once all containers that mount it have stopped, the file is gone.
        triggers: [agent.container.id],
      },
      { parent: this, dependsOn: [agent.container] },
    );
    this.#rendering = {
      ...{ name, vm, digest, done: [this.rendered, agent.loggedIn] },
      reloads: args.slots !== undefined,
    };

    this.configVolume = volume.name;
    this.roleName = login.role.roleName;
    this.policyName = login.policy.name;
    this.agent = heldUntil([agent.container, agent.loggedIn], `${name}-agent`);
    this.agentMetrics = agent.metrics;
    this.registerOutputs({
      configVolume: this.configVolume,
      configFile: this.configFile,
      roleName: this.roleName,
      policyName: this.policyName,
      agent: this.agent,
    });
  }

  get #configPath(): string {
    return `${RENDERED_DIRECTORY}/${this.configFile}`;
  }

  #createSecret(
    name: string,
    { vault: { provider }, secret, data }: SecretsBindingArgs,
    dependsOn: pulumi.Resource[],
  ): vault.kv.SecretV2 {
    return new vault.kv.SecretV2(
      `${name}-secret`,
      {
        mount: secret.mount,
        name: secret.path,
        dataJson: pulumi.secret(pulumi.output(data).apply((value) => JSON.stringify(value))),
        deleteAllVersions: true,
      },
      { parent: this, provider, dependsOn },
    );
  }

  /** A tmpfs that the agent writes and the service reads. */
  #createVolume(name: string, { vm, serviceGid = SERVICE_GID }: SecretsBindingArgs): docker.Volume {
    const o = `size=1m,mode=0750,uid=${VAULT_UID},gid=${serviceGid}`;
    return new docker.Volume(
      `${name}-rendered`,
      { name: `${name}-rendered`, driver: "local", driverOpts: { type: "tmpfs", device: "tmpfs", o } },
      { parent: this, provider: vm.provider },
    );
  }

  #createAgent(
    name: string,
    args: SecretsBindingArgs,
    given: { login: AppRoleLogin; volume: docker.Volume; dependsOn: pulumi.Resource[] },
  ): VaultAgent {
    const { vm, vault: access, secret, slots, reloadDeadline: deadline = 30 } = args;
    const { admin, front, egress, addresses } = vm.networks;
    const reloadUrl = (replica: Replica) => ({
      name: replica.name,
      url: `http://${replica.reload.address}:${replica.reload.port}/reload`,
    });
    const files = {
      "agent.hcl": renderAgentConfig({
        vaultAddress: access.agentAddress,
        namespace: access.namespace,
        caFile: access.authority && AUTHORITY_FILE,
        roleIdFile: "/credentials/role_id",
        secretIdFile: "/credentials/secret_id",
        templateFile: "/agent/config.ctmpl",
        configFile: this.#configPath,
        reloadCommand: slots && RELOAD_COMMAND,
        renderInterval: args.renderInterval ?? 5,
        reloadDeadline: deadline,
        socket: args.signing && { path: SIGNING_SOCKET, user: VAULT_UID, group: args.serviceGid ?? SERVICE_GID },
      }),
      "config.ctmpl": renderTemplate(`${secret.mount}/data/${secret.path}`, args.credentials?.path),
    };
    return vaultAgent(
      name,
      {
        ...{ host: vm, login: given.login, vault: access, gid: args.serviceGid ?? SERVICE_GID, files },
        rendered: this.#configPath,
        reload: slots && {
          markerFile: slots.marker.file,
          blue: slots.plan.replicas.blue.map(reloadUrl),
          green: slots.plan.replicas.green.map(reloadUrl),
          deadline,
        },
        networks: [
          { name: admin.name, ipv4Address: addresses.admin.agent },
          ...(slots?.reloadOnFront ? [{ name: front.name, ipv4Address: addresses.front.agent }] : []),
          { name: egress.name },
        ],
        mounts: [
          { type: "volume", source: given.volume.name, target: RENDERED_DIRECTORY },
          ...(slots
            ? [{ type: "volume", source: slots.marker.volume, target: slots.marker.directory, readOnly: true }]
            : []),
        ],
        dependsOn: given.dependsOn,
      },
      { parent: this },
    );
  }

  /**
   * A resource that is done once every serving replica has confirmed that it works with the secret that this run wrote.
   * It needs the argument `slots`. It is a child of the caller, because what waits for the binding, such as the
   * promotion, must not wait for this.
   *
   * @param opts.dependsOn what must be done first: the promotion
   */
  confirmation(opts: { parent: pulumi.Resource; dependsOn: readonly pulumi.Resource[] }): pulumi.Resource {
    const { name, vm, digest, done, reloads } = this.#rendering;
    if (!reloads) throw new UserError(`SecretsBinding ${name}: confirmation() needs the argument slots`);
    return vm.script(
      `${name}-confirmed`,
      { script: commandLine(["docker", "exec", `${name}-agent`, "sh", RELOAD_COMMAND]), triggers: [digest] },
      { parent: opts.parent, dependsOn: [...done, ...opts.dependsOn], aliases: [{ parent: vm }] },
    );
  }
}
