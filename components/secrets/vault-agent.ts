import { basename } from "node:path";
import * as command from "@pulumi/command";
import * as docker from "@pulumi/docker";
import type * as pulumi from "@pulumi/pulumi";
import { VAULT_UID, type AppRoleLogin } from "./app-role";
import { BACKGROUND_SHARES } from "../../lib/cpu-weight";
import { digestOf } from "../../lib/digest";
import type { DockerHost } from "../vm/docker-host";
import { hardened, LOG_OPTIONS, pidsLimit, scratch } from "../vm/hardening";
import { HostFiles } from "../vm/host-files";
import { scriptLine, scriptText } from "../host/script-file";
import { stepCommand } from "../step-command";
import type { VaultForAgents } from "./vault-access";

/** Where an agent finds the authorities that signed Vault's certificate, if any are given. */
export const AUTHORITY_FILE = "/agent/ca.pem";
/** The template command that makes replicas reload. */
export const RELOAD_COMMAND = "/agent/reload.sh";

/** Seconds that an agent has to log in with a new secret_id. */
const LOGIN_SECONDS = 60;

export interface ReloadTarget {
  /** Name in messages. */
  name: string;
  /** Address of `POST /reload`. */
  url: string;
}

export interface VaultAgentArgs {
  host: DockerHost;
  login: AppRoleLogin;
  vault: Pick<VaultForAgents, "namespace" | "authority">;
  /** Numeric group that may read what the agent renders. */
  gid: number;
  /** The agent's files in `/agent`: `agent.hcl` and its templates. Its scripts are added. */
  files: Readonly<Record<string, string>>;
  /** File that it renders, by its path in the container. */
  rendered: string;
  /**
   * Who must reload the file after a change, by {@link RELOAD_COMMAND}: the replicas of the active slot (green if the
   * marker is present), and the seconds that they have to confirm it.
   */
  reload?: { markerFile: string; blue: readonly ReloadTarget[]; green: readonly ReloadTarget[]; deadline: number };
  networks: docker.types.input.ContainerNetworksAdvanced[];
  /** Additional mounts, above all the volume for the rendered file. */
  mounts: docker.types.input.ContainerMount[];
  /** What must be done before the agent starts. */
  dependsOn?: readonly pulumi.Resource[];
}

export interface VaultAgent {
  container: docker.Container;
  /** Done once the agent has logged in with the newest secret_id and the former ones are revoked. */
  loggedIn: pulumi.CustomResource;
  /** The agent's state for Prometheus. */
  metrics: AgentMetrics;
}

/** A file in Prometheus' text format: its Docker volume, where to mount that, and the file's path. */
export interface AgentMetrics {
  volume: pulumi.Output<string>;
  directory: string;
  file: string;
}

/**
 * A Vault Agent in a hardened container: with its credentials read-only, its files, and a health check that also writes
 * metrics about its log-in. After each new secret_id the former is revoked. All names derive from `name`.
 */
export function vaultAgent(name: string, args: VaultAgentArgs, opts: { parent: pulumi.Resource }): VaultAgent {
  const { parent } = opts;
  const { host, login, reload } = args;
  const onHost = { parent, provider: host.provider };
  const directory = `/run/${name}`;
  const file = `${directory}/agent.prom`;
  const files = {
    ...args.files,
    ...(args.vault.authority === undefined ? {} : { [basename(AUTHORITY_FILE)]: args.vault.authority.pem }),
    "look.sh": scriptText("look.sh"),
    "health.sh": scriptText("health.sh"),
    ...(reload === undefined ? {} : { "reload.sh": scriptText("reload.sh") }),
  };
  const targets = (list: readonly ReloadTarget[]) => list.map((target) => `${target.name}=${target.url}`).join(" ");
  const forScripts: Record<string, string> = {
    AUDIT_RENDERED_FILE: args.rendered,
    AUDIT_METRICS_FILE: file,
    ...(args.vault.namespace === undefined ? {} : { AUDIT_VAULT_NAMESPACE: args.vault.namespace }),
    ...(reload === undefined
      ? {}
      : {
          AUDIT_MARKER_FILE: reload.markerFile,
          AUDIT_BLUE_REPLICAS: targets(reload.blue),
          AUDIT_GREEN_REPLICAS: targets(reload.green),
          AUDIT_RELOAD_SECONDS: String(reload.deadline),
        }),
  };
  const configuration = new docker.Volume(`${name}-agent-config`, { name: `${name}-agent-config` }, onHost);
  const written = new HostFiles(
    `${name}-agent`,
    { host, target: `${name}-agent-config`, files, dependsOn: [configuration] },
    { parent },
  );
  const metrics = new docker.Volume(
    `${name}-agent-metrics`,
    {
      name: `${name}-agent-metrics`,
      driver: "local",
      // Not secret: nginx reads it as another user.
      driverOpts: { type: "tmpfs", device: "tmpfs", o: `size=1m,mode=0755,uid=${VAULT_UID},gid=${args.gid}` },
    },
    onHost,
  );
  const container = new docker.Container(
    `${name}-agent`,
    {
      ...hardened({ memory: 128, user: `${VAULT_UID}:${args.gid}`, shares: BACKGROUND_SHARES }),
      name: `${name}-agent`,
      image: login.image.imageId,
      entrypoints: ["vault"],
      command: ["agent", "-config=/agent/agent.hcl"],
      // The agent reads its files only when it starts, so a change of them must replace the container.
      labels: [{ label: "audit.configuration", value: digestOf(files) }],
      // Without the last variable, the agent would retry each of the health check's requests a million times while
      // Vault is unreachable.
      envs: [
        ...["HOME=/tmp", "SKIP_SETCAP=true", "VAULT_MAX_RETRIES=0"],
        ...Object.entries(forScripts).map(([key, value]) => `${key}=${value}`),
      ],
      networksAdvanced: args.networks,
      mounts: [
        { type: "volume", source: configuration.name, target: "/agent", readOnly: true },
        { type: "volume", source: login.credentials.name, target: "/credentials", readOnly: true },
        { type: "volume", source: metrics.name, target: directory },
        ...args.mounts,
        scratch("/tmp", 16),
      ],
      healthcheck: {
        tests: ["CMD", "sh", "/agent/health.sh"],
        interval: "5s",
        timeout: `${(reload?.deadline ?? 0) + 10}s`,
        retries: 3,
        startPeriod: "20s",
      },
      logOpts: LOG_OPTIONS,
    },
    {
      parent,
      ...host.named(`${name}-agent`),
      dependsOn: [written, login.delivered, ...(args.dependsOn ?? [])],
    },
  );
  const limited = pidsLimit(`${name}-agent-pids`, host, container, 64, { parent });
  const loggedIn = new command.local.Command(
    `${name}-logged-in`,
    {
      create: stepCommand("revoke-former"),
      environment: {
        ...login.environment,
        AUDIT_DELIVERED: host.commandFor(scriptLine("delivered-issue.sh", [`${name}-agent`])),
        AUDIT_LOGGED_IN: host.commandFor(scriptLine("wait-login.sh", [`${name}-agent`, LOGIN_SECONDS])),
      },
      triggers: [login.delivered.id, container.id],
      logging: command.types.enums.local.Logging.Stderr,
    },
    { parent, dependsOn: [limited] },
  );
  return { container, loggedIn, metrics: { volume: metrics.name, directory, file } };
}
