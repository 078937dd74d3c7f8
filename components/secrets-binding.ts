import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import * as vault from "@pulumi/vault";
import { createHash } from "node:crypto";
import { MADE_BY_VAULT, renderAgentConfig, renderedSecret, renderTemplate } from "../vault-agent/render";
import { credentialsPolicy, readOnlyPolicy, type AgentRights } from "../vault-agent/rights";
import { appRoleLogin, VAULT_UID } from "./app-role";
import type { DatabaseCredentials } from "./database-credentials";
import type { DockerHost } from "./docker-host";
import type { Networks } from "./networks";
import type { Replica } from "./release";
import { scriptLine } from "./script-file";
import { commandLine } from "./shell";
import type { Slots } from "./slots";
import type { VaultForAgents } from "./vault-access";
import { AUTHORITY_FILE, RELOAD_COMMAND, vaultAgent, type AgentMetrics } from "./vault-agent";

export interface SecretsBindingArgs extends Omit<AgentRights, "policy"> {
  /** Vault, and where the secret is in it. */
  vault: VaultForAgents & {
    /** KV version 2 mount. */
    mount: string;
    /** Path of the secret in the mount; the policy covers exactly this path. */
    path: string;
  };
  /** What the service's configuration file shall hold. */
  data: pulumi.Input<Record<string, unknown>>;
  /** Vault makes `database.user` and `database.password`; default: they are in the data. */
  credentials?: DatabaseCredentials;
  host: DockerHost;
  /** Vault image by digest. */
  image: string;
  /** Numeric group of the service, which may read the rendered file; default 10001. */
  serviceGid?: number;
  /**
   * Networks of the agent: `egress`, on which Vault answers, and `admin`, on which the replicas' admin port does. While one of
   * them takes its reload on the main port, also `front`.
   */
  networks: Networks;
  /** The replicas to reload, and how to tell which of them serve. */
  slots: Slots;
  /** How often Vault is asked for a newer secret; seconds, default 5. */
  renderInterval?: number;
  /** How long replicas have to confirm a reload; seconds, default 30. */
  reloadDeadline?: number;
  /** When it was issued, as {@link secretIdIssue} says: another time, and a new one is issued and the former revoked. */
  secretIdIssue: string;
}

/**
 * A secret in Vault and its way into one file on the VM: the secret itself, a policy that reads exactly that path, an
 * AppRole role with only that policy, and a Vault Agent that logs in by it, renders the file into a tmpfs volume, and
 * makes every replica read it again when it has changed.
 *
 * The secret_id is not a resource: it is issued at deploy, response-wrapped, unwrapped on the VM into a volume that only
 * the agent reads, and is in no state, log, argument list or environment (docs/decisions/0005). Each deploy issues a new
 * one and revokes the former (docs/decisions/0072).
 */
export class SecretsBinding extends pulumi.ComponentResource {
  /** Docker volume (tmpfs) with the rendered file. */
  readonly configVolume: pulumi.Output<string>;
  /** Name of the rendered file within the volume. */
  readonly configFile = "config.json";
  readonly roleName: pulumi.Output<string>;
  readonly policyName: pulumi.Output<string>;
  /** Name of the agent's container; known once it is logged in by its newest secret_id. */
  readonly agent: pulumi.Output<string>;
  /** How the agent is logged in, for Prometheus. */
  readonly agentMetrics: AgentMetrics;
  /** Done once the file holds the secret as this run wrote it. */
  readonly rendered: pulumi.Resource;
  readonly #confirm: (after: readonly pulumi.Resource[]) => pulumi.Resource;

  constructor(name: string, args: SecretsBindingArgs, opts?: pulumi.ComponentResourceOptions) {
    super("audit:index:SecretsBinding", name, {}, opts);
    const inVault = { parent: this, provider: args.vault.provider };
    const onHost = { parent: this, provider: args.host.provider };
    const deadline = args.reloadDeadline ?? 30;
    const { slots, credentials } = args;
    const gid = args.serviceGid ?? 10001;
    const configPath = `/run/audit/${this.configFile}`;

    const secret = (after: readonly pulumi.Resource[]) =>
      new vault.kv.SecretV2(
        `${name}-secret`,
        {
          mount: args.vault.mount,
          name: args.vault.path,
          dataJson: pulumi.secret(pulumi.output(args.data).apply((data) => JSON.stringify(data))),
          deleteAllVersions: true,
        },
        { ...inVault, dependsOn: [...after] },
      );
    const login = appRoleLogin(
      name,
      {
        vault: args.vault,
        policy:
          readOnlyPolicy(args.vault.mount, args.vault.path) + (credentials ? credentialsPolicy(credentials.path) : ""),
        host: args.host,
        image: args.image,
        networks: args.networks,
        boundCidrs: args.boundCidrs,
        secretIdTtl: args.secretIdTtl,
        secretIdIssue: args.secretIdIssue,
      },
      { parent: this },
    );

    const rendered = new docker.Volume(
      `${name}-rendered`,
      {
        name: `${name}-rendered`,
        driver: "local",
        driverOpts: {
          type: "tmpfs",
          device: "tmpfs",
          o: `size=1m,mode=0750,uid=${VAULT_UID},gid=${gid}`,
        },
      },
      onHost,
    );
    const reloadUrl = (replica: Replica) => ({
      name: replica.name,
      url: `http://${replica.reload.address}:${replica.reload.port}/reload`,
    });
    const files = {
      "agent.hcl": renderAgentConfig({
        vaultAddress: args.vault.agentAddress,
        namespace: args.vault.namespace,
        caFile: args.vault.authority && AUTHORITY_FILE,
        roleIdFile: "/credentials/role_id",
        secretIdFile: "/credentials/secret_id",
        templateFile: "/agent/config.ctmpl",
        configFile: configPath,
        reloadCommand: RELOAD_COMMAND,
        renderInterval: args.renderInterval ?? 5,
        reloadDeadline: deadline,
      }),
      "config.ctmpl": renderTemplate(`${args.vault.mount}/data/${args.vault.path}`, credentials?.path),
    };
    const agent = vaultAgent(
      name,
      {
        host: args.host,
        login,
        vault: args.vault,
        gid,
        files,
        rendered: configPath,
        reload: {
          flagFile: slots.flag.file,
          blue: slots.plan.replicas.blue.map(reloadUrl),
          green: slots.plan.replicas.green.map(reloadUrl),
          deadline,
        },
        networks: [
          { name: args.networks.admin.name, ipv4Address: args.networks.addresses.admin.agent },
          ...(slots.reloadOnFront
            ? [{ name: args.networks.front.name, ipv4Address: args.networks.addresses.front.agent }]
            : []),
          { name: args.networks.egress.name },
        ],
        mounts: [
          { type: "volume", source: rendered.name, target: "/run/audit" },
          { type: "volume", source: slots.flag.volume, target: slots.flag.directory, readOnly: true },
        ],
        // Whichever comes first, neither the former agent nor the new one may read a secret with which its template gives no login.
        after: credentials ? [credentials.ready] : [secret([])],
      },
      { parent: this },
    );

    if (credentials) secret([agent.container]);

    // No secret: the service shows the same digest in its metrics. What Vault makes is not known here and left out.
    const leftOut = credentials ? MADE_BY_VAULT : undefined;
    const digest = pulumi.unsecret(
      pulumi.output(args.data).apply((data) =>
        createHash("sha256")
          .update(renderedSecret(credentials ? withLogin(data) : data, leftOut))
          .digest("hex"),
      ),
    );
    this.rendered = args.host.script(
      `${name}-rendered`,
      {
        script: digest.apply((wanted) =>
          scriptLine("wait-rendered.sh", [`${name}-agent`, configPath, wanted, 60, leftOut ?? ""]),
        ),
        // When all containers that had the volume were stopped, the file in its memory is gone with them.
        triggers: [agent.container.id],
      },
      { parent: this, dependsOn: [agent.container] },
    );
    this.#confirm = (after) =>
      args.host.script(
        `${name}-confirmed`,
        { script: commandLine(["docker", "exec", `${name}-agent`, "sh", RELOAD_COMMAND]), triggers: [digest] },
        // Not a child of this one: what waits for the binding, as the change of releases does, would wait for this, too.
        { parent: args.host, dependsOn: [this.rendered, agent.loggedIn, ...after] },
      );

    this.configVolume = rendered.name;
    this.roleName = login.role.roleName;
    this.policyName = login.policy.name;
    this.agent = pulumi.all([agent.container.name, agent.loggedIn.id]).apply(([container]) => container);
    this.agentMetrics = agent.metrics;
    this.registerOutputs({
      configVolume: this.configVolume,
      configFile: this.configFile,
      roleName: this.roleName,
      policyName: this.policyName,
      agent: this.agent,
    });
  }

  /**
   * Done once every serving replica has confirmed that it works with the secret as this run wrote it.
   *
   * @param after what must be done before: the change of releases, when there is one
   */
  confirmed(after: readonly pulumi.Resource[]): pulumi.Resource {
    return this.#confirm(after);
  }
}

/** The data in the shape in which the agent renders it, with a login in it. */
function withLogin(data: Record<string, unknown>): Record<string, unknown> {
  return { ...data, database: { ...(data.database as object), user: "", password: "" } };
}
