import * as command from "@pulumi/command";
import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import * as vault from "@pulumi/vault";
import { createHash } from "node:crypto";
import { renderAgentConfig, renderReloadScript, renderTemplate } from "../vault-agent/render";
import type { DockerHost } from "./docker-host";
import { HostFiles } from "./host-files";
import { hardened, LOG_OPTIONS, pidsLimit, scratch } from "./hardening";
import type { Networks } from "./networks";
import type { Replica } from "./release";
import { dockerRun } from "./shell";
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

  constructor(name: string, args: SecretsBindingArgs, opts?: pulumi.ComponentResourceOptions) {
    super("audit:index:SecretsBinding", name, {}, opts);
    const inVault = { parent: this, provider: args.vault.provider };
    const onHost = { parent: this, provider: args.host.provider };
    const appRoleMount = args.vault.appRoleMount ?? "approle";
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
    const policy = new vault.Policy(
      `${name}-policy`,
      { name, policy: readOnlyPolicy(args.vault.mount, args.vault.path) },
      inVault,
    );
    const cidrs = args.boundCidrs === undefined ? undefined : [...args.boundCidrs];
    const role = new vault.approle.AuthBackendRole(
      `${name}-role`,
      {
        backend: appRoleMount,
        roleName: name,
        tokenPolicies: [policy.name],
        tokenNoDefaultPolicy: true,
        // Periodic: renewed for ever while the agent runs, gone within the hour once it does not.
        tokenPeriod: 3600,
        secretIdTtl: args.secretIdTtl ?? 90 * 24 * 3600,
        secretIdBoundCidrs: cidrs,
        tokenBoundCidrs: cidrs,
      },
      inVault,
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
    const credentials = new docker.Volume(`${name}-credentials`, { name: `${name}-credentials` }, onHost);
    const configuration = new docker.Volume(`${name}-agent-config`, { name: `${name}-agent-config` }, onHost);

    const image = args.host.image(`${name}-agent-image`, args.image, { parent: this });
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

    const delivered = this.#deliverSecretId(name, args, appRoleMount, role, [credentials, image, args.networks]);

    const agent = new docker.Container(
      `${name}-agent`,
      {
        ...hardened({ memory: 128, user: `${VAULT_UID}:${args.serviceGid ?? 10001}` }),
        name: `${name}-agent`,
        image: image.imageId,
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
          { type: "volume", source: credentials.name, target: "/credentials", readOnly: true },
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
      { ...onHost, dependsOn: [secret, written, delivered], deleteBeforeReplace: true },
    );
    const limited = pidsLimit(`${name}-agent-pids`, args.host, agent, 64, { parent: this });

    this.configVolume = rendered.name;
    this.roleName = role.roleName;
    this.policyName = policy.name;
    this.agent = pulumi.all([agent.name, limited.id]).apply(([container]) => container);
    this.registerOutputs({
      configVolume: this.configVolume,
      configFile: this.configFile,
      roleName: this.roleName,
      policyName: this.policyName,
      agent: this.agent,
    });
  }

  /** Issues a wrapped secret_id and has it unwrapped on the VM, whenever the role changes. */
  #deliverSecretId(
    name: string,
    args: SecretsBindingArgs,
    appRoleMount: string,
    role: vault.approle.AuthBackendRole,
    dependsOn: pulumi.Resource[],
  ): command.local.Command {
    return new command.local.Command(
      `${name}-secret-id`,
      {
        create: "node --import tsx vault-agent/deliver-secret-id.ts",
        environment: {
          VAULT_ADDR: args.vault.address,
          AUDIT_APPROLE: pulumi.interpolate`auth/${appRoleMount}/role/${role.roleName}`,
          AUDIT_ON_HOST: args.host.commandFor(
            dockerRun({
              image: args.image,
              entrypoint: "sh",
              interactive: true,
              network: args.networks.names.egress,
              volumes: [`${name}-credentials:/credentials`],
              // The files become the agent's own; without these rights root could not give them away or replace them.
              capabilities: ["CHOWN", "DAC_OVERRIDE", "FOWNER"],
              environment: { VAULT_ADDR: args.vault.agentAddress, HOME: "/tmp" },
              command: ["-c", unwrapScript(`auth/${appRoleMount}/role/${name}/secret-id`, VAULT_UID)],
            }),
          ),
        },
        triggers: [role.roleId, digestOf({ ttl: args.secretIdTtl, cidrs: args.boundCidrs })],
        logging: command.types.enums.local.Logging.Stderr,
      },
      { parent: this, dependsOn },
    );
  }
}

/** The right to read one secret's data and nothing else; not its metadata, not its versions' list. */
export function readOnlyPolicy(mount: string, path: string): string {
  return `path "${mount}/data/${path}" {\n  capabilities = ["read"]\n}\n`;
}

/**
 * Shell text for the one-shot on the VM. Standard input: the role_id on the first line, the wrapping token on the second.
 * The token goes through a file in memory, because arguments and environment can be read by others on the machine. A
 * wrapper made by anything but this role's secret-id endpoint, or already used, is a sign of somebody in between.
 */
export function unwrapScript(creationPath: string, uid: number): string {
  return [
    "set -eu",
    "umask 077",
    "read -r role_id",
    "read -r token",
    `alarm() { echo "ALARM: $1 The secret_id may be known to somebody else: find out who held the wrapping token, then deploy again." >&2; exit 1; }`,
    `made=$(printf %s "$token" | vault write -field=creation_path sys/wrapping/lookup token=- 2>/tmp/error) || alarm "the wrapping token was already used or has expired."`,
    `test "$made" = "${creationPath}" || alarm "the wrapping token was made by $made and not by ${creationPath}."`,
    `printf %s "$token" > "$HOME/.vault-token"`,
    `vault unwrap -field=secret_id > /tmp/secret_id 2>/tmp/error || alarm "the wrapping token was used between look-up and unwrapping."`,
    `printf %s "$role_id" > /tmp/role_id`,
    ...["role_id", "secret_id"].flatMap((file) => [
      `cp /tmp/${file} /credentials/.${file}`,
      `chmod 0400 /credentials/.${file}`,
      `chown ${uid} /credentials/.${file}`,
      `mv -f /credentials/.${file} /credentials/${file}`,
    ]),
    `chown ${uid} /credentials`,
    "chmod 0500 /credentials",
  ].join("; ");
}

function digestOf(value: unknown): string {
  return createHash("sha256").update(JSON.stringify(value)).digest("hex").slice(0, 16);
}
