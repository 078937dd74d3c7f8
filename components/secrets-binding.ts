import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import * as vault from "@pulumi/vault";
import { createHash } from "node:crypto";
import {
  confirmScript,
  renderAgentConfig,
  renderedSecret,
  renderReloadScript,
  renderTemplate,
} from "../vault-agent/render";
import { appRoleLogin } from "./app-role";
import { digestOf } from "./digest";
import type { DockerHost } from "./docker-host";
import { HostFiles } from "./host-files";
import { hardened, LOG_OPTIONS, pidsLimit, scratch } from "./hardening";
import type { Networks } from "./networks";
import type { Replica } from "./release";
import { quote } from "./shell";
import type { Slots } from "./slots";

/** Uid of Vault in the official image. */
const VAULT_UID = 100;

export interface SecretsBindingArgs {
  /** Vault as the VM reaches it, as this program reaches it, and where the secret is. */
  vault: {
    provider: vault.Provider;
    address: string;
    agentAddress: string;
    /** KV version 2 mount. */
    mount: string;
    /** Path of the secret in the mount; the policy covers exactly this path. */
    path: string;
    /** AppRole mount; default "approle". */
    appRoleMount?: string;
  };
  /** What the service's configuration file shall hold. */
  data: pulumi.Input<Record<string, unknown>>;
  host: DockerHost;
  /** Vault image by digest. */
  image: string;
  /** Numeric group of the service, which may read the rendered file; default 10001. */
  serviceGid?: number;
  /** Networks of the agent: `egress`, on which Vault answers, and `admin`, on which the replicas' admin port does. */
  networks: Networks;
  /** The replicas to reload, and how to tell which of them serve. */
  slots: Slots;
  /** How often Vault is asked for a newer secret; seconds, default 5. */
  renderInterval?: number;
  /** How long replicas have to confirm a reload; seconds, default 30. */
  reloadDeadline?: number;
  /** Address ranges that may log in with the AppRole and use its token; default any. */
  boundCidrs?: readonly string[];
  /** Life of the secret_id; seconds, default 90 days. It is needed at log-in only: a running agent renews its token. */
  secretIdTtl?: number;
}

/**
 * A secret in Vault and its way into one file on the VM: the secret itself, a policy that reads exactly that path, an
 * AppRole role with only that policy, and a Vault Agent that logs in by it, renders the file into a tmpfs volume, and
 * makes every replica read it again when it has changed.
 *
 * The secret_id is not a resource: it is issued at deploy, response-wrapped, unwrapped on the VM into a volume that only
 * the agent reads, and is in no state, log, argument list or environment (docs/decisions/0005).
 */
export class SecretsBinding extends pulumi.ComponentResource {
  /** Docker volume (tmpfs) with the rendered file. */
  readonly configVolume: pulumi.Output<string>;
  /** Name of the rendered file within the volume. */
  readonly configFile = "config.json";
  readonly roleName: pulumi.Output<string>;
  readonly policyName: pulumi.Output<string>;
  /** Name of the agent's container. */
  readonly agent: pulumi.Output<string>;
  readonly #confirm: (after: readonly pulumi.Resource[]) => pulumi.Resource;

  constructor(name: string, args: SecretsBindingArgs, opts?: pulumi.ComponentResourceOptions) {
    super("audit:index:SecretsBinding", name, {}, opts);
    const inVault = { parent: this, provider: args.vault.provider };
    const onHost = { parent: this, provider: args.host.provider };
    const deadline = args.reloadDeadline ?? 30;
    const configPath = `/run/audit/${this.configFile}`;

    const secret = new vault.kv.SecretV2(
      `${name}-secret`,
      {
        mount: args.vault.mount,
        name: args.vault.path,
        dataJson: pulumi.secret(pulumi.output(args.data).apply((data) => JSON.stringify(data))),
        deleteAllVersions: true,
      },
      inVault,
    );
    const login = appRoleLogin(
      name,
      {
        vault: args.vault,
        policy: readOnlyPolicy(args.vault.mount, args.vault.path),
        host: args.host,
        image: args.image,
        networks: args.networks,
        uid: VAULT_UID,
        boundCidrs: args.boundCidrs,
        secretIdTtl: args.secretIdTtl,
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
          o: `size=1m,mode=0750,uid=${VAULT_UID},gid=${args.serviceGid ?? 10001}`,
        },
      },
      onHost,
    );
    const configuration = new docker.Volume(`${name}-agent-config`, { name: `${name}-agent-config` }, onHost);

    const { slots } = args;
    const reloadUrl = (replica: Replica) => ({
      name: replica.name,
      url: `http://${replica.adminAddress}:${replica.adminPort}/reload`,
    });
    const files = {
      "agent.hcl": renderAgentConfig({
        vaultAddress: args.vault.agentAddress,
        roleIdFile: "/credentials/role_id",
        secretIdFile: "/credentials/secret_id",
        templateFile: "/agent/config.ctmpl",
        configFile: configPath,
        reloadCommand: "/agent/reload.sh",
        renderInterval: args.renderInterval ?? 5,
        reloadDeadline: deadline,
      }),
      "config.ctmpl": renderTemplate(`${args.vault.mount}/data/${args.vault.path}`),
      "reload.sh": renderReloadScript({
        configFile: configPath,
        flagFile: slots.flag.file,
        first: slots.plan.replicas.blue.map(reloadUrl),
        second: slots.plan.replicas.green.map(reloadUrl),
        deadline: deadline,
        resultFile: "/tmp/last-reload",
      }),
    };
    const written = new HostFiles(
      `${name}-agent`,
      { host: args.host, target: `${name}-agent-config`, files, after: [configuration] },
      { parent: this },
    );

    const agent = new docker.Container(
      `${name}-agent`,
      {
        ...hardened({ memory: 128, user: `${VAULT_UID}:${args.serviceGid ?? 10001}` }),
        name: `${name}-agent`,
        image: login.image.imageId,
        entrypoints: ["vault"],
        command: ["agent", "-config=/agent/agent.hcl"],
        // A container reads its files at start only, so a change of them must make a new one.
        labels: [{ label: "audit.configuration", value: digestOf(files) }],
        envs: ["HOME=/tmp", "SKIP_SETCAP=true"],
        networksAdvanced: [
          { name: args.networks.admin.name, ipv4Address: args.networks.addresses.admin.agent },
          { name: args.networks.egress.name },
        ],
        mounts: [
          { type: "volume", source: configuration.name, target: "/agent", readOnly: true },
          { type: "volume", source: login.credentials.name, target: "/credentials", readOnly: true },
          { type: "volume", source: rendered.name, target: "/run/audit" },
          { type: "volume", source: slots.flag.volume, target: slots.flag.directory, readOnly: true },
          scratch("/tmp", 16),
        ],
        healthcheck: {
          // A reload that was not confirmed in time is tried again here: Vault Agent itself would not, until the next change.
          tests: [
            "CMD-SHELL",
            `test -s ${configPath} && { ! grep -qs ^failed /tmp/last-reload || sh /agent/reload.sh; }`,
          ],
          interval: "5s",
          timeout: `${deadline + 5}s`,
          retries: 3,
          startPeriod: "20s",
        },
        logOpts: LOG_OPTIONS,
      },
      { ...onHost, dependsOn: [secret, written, login.delivered], deleteBeforeReplace: true },
    );
    const limited = pidsLimit(`${name}-agent-pids`, args.host, agent, 64, { parent: this });

    // No secret: the service shows the same digest in its metrics.
    const digest = pulumi.unsecret(
      pulumi.output(args.data).apply((data) => createHash("sha256").update(renderedSecret(data)).digest("hex")),
    );
    this.#confirm = (after) =>
      args.host.script(
        `${name}-confirmed`,
        {
          script: digest.apply(
            (wanted) =>
              `docker exec ${name}-agent sh -c ${quote(confirmScript(configPath, "/agent/reload.sh", wanted, 60))}`,
          ),
        },
        // Not a child of this one: what waits for the binding, as the change of releases does, would wait for this, too.
        { parent: args.host, dependsOn: [agent, limited, ...after] },
      );

    this.configVolume = rendered.name;
    this.roleName = login.role.roleName;
    this.policyName = login.policy.name;
    this.agent = pulumi.all([agent.name, limited.id]).apply(([container]) => container);
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

/** The right to read one secret's data and nothing else; not its metadata, not its versions' list. */
export function readOnlyPolicy(mount: string, path: string): string {
  return `path "${mount}/data/${path}" {\n  capabilities = ["read"]\n}\n`;
}
