import type { input } from "@pulumi/kubernetes/types";
import * as pulumi from "@pulumi/pulumi";
import * as vault from "@pulumi/vault";
import type { ReloadPort } from "../../lib/release-state";
import { onCluster, serviceAgentPolicy, type TransitKey } from "../../lib/vault/rights";
import { renderAgentConfig, renderTemplate } from "../../vault-agent/render";
import { SIGNING_SOCKET } from "../secrets/log-key";
import type { DatabaseCredentials } from "../database/database-credentials";
import { scriptText } from "../host/script-file";
import { leftOut, renderedDigest } from "../secrets/rendered-digest";
import { AUTHORITY_FILE, RELOAD_COMMAND } from "../secrets/vault-agent";
import { AGENT, agentSidecar, VAULT_UID, type AgentSidecar } from "./agent-sidecar";
import type { Cluster } from "./cluster";
import { kubernetesLogin, type KubernetesLogin, type VaultForPods } from "./kubernetes-login";
import { ADMIN_PORT, AGENT_PORT, SERVICE_PORT } from "./ports";
import { clusterScript, clusterScriptText } from "./script";

/** Where the rendered file is, in the agent and in the service. */
const DIRECTORY = "/run/audit";
const FILE = `${DIRECTORY}/config.json`;
const VOLUME = "config";
/** Numeric group of the reference service. */
const SERVICE_GID = 10001;

export interface SecretsBindingArgs {
  cluster: Cluster;
  vault: VaultForPods;
  /** Where the secret is in Vault: a KV version 2 mount and the path in it; the policy covers exactly this path. */
  secret: { mount: string; path: string };
  /** What the service's configuration file shall hold. */
  data: pulumi.Input<Record<string, unknown>>;
  /** Vault makes `database.user` and `database.password`, others for each pod; default: they are in the data. */
  credentials?: DatabaseCredentials;
  /** The port of the service that takes `POST /reload`, on the pod's loopback; default "admin". */
  reloadOn?: ReloadPort;
  /**
   * Key of Vault's transit engine with which the service may sign, through the agent: at {@link SIGNING_SOCKET}, beside
   * the rendered file. Default: none.
   */
  signing?: TransitKey;
  /** Numeric group of the service, which may read the rendered file; default 10001. */
  serviceGid?: number;
  /** How often Vault is asked for a newer secret; seconds, default 5. */
  renderInterval?: number;
  /** How long a service has to confirm a reload; seconds, default 30. */
  reloadDeadline?: number;
}

/** What a pod needs to have the file. */
export interface BoundPod {
  serviceAccountName: string;
  sidecar: input.core.v1.Container;
  volumes: input.core.v1.Volume[];
  /** For the container that reads the file, and the file's path there. */
  mount: input.core.v1.VolumeMount;
  file: string;
  /** What must be there before a pod is made: the secret, the login, and the agent's files. */
  dependsOn: pulumi.Resource[];
}

/**
 * A secret in Vault and its way into one file in each pod: the secret itself, a policy that reads exactly that path, a
 * role for the pods' service account, and a Vault Agent beside the service in each pod, which renders the file into the
 * pod's memory and has the service read it again, over the pod's loopback, when it has changed.
 *
 * @example
 * const secrets = new SecretsBinding("audit-svc", {
 *   cluster,
 *   vault,
 *   secret: { mount: "secret", path: "audit-svc/cluster" },
 *   data: { password: new random.RandomPassword("greeting", { length: 32 }).result },
 * });
 * const { serviceAccountName, sidecar, volumes, mount } = secrets.pod(undefined);
 */
export class SecretsBinding extends pulumi.ComponentResource {
  readonly #name: string;
  readonly #args: SecretsBindingArgs;
  readonly #login: KubernetesLogin;
  readonly #agent: AgentSidecar;
  readonly #secret: pulumi.Resource;

  constructor(name: string, args: SecretsBindingArgs, opts?: pulumi.ComponentResourceOptions) {
    super("audit:index:SecretsBinding", name, {}, opts);
    const { cluster, vault: access } = args;
    this.#name = name;
    this.#args = args;
    this.#login = kubernetesLogin(
      name,
      {
        ...{ cluster, vault: access, role: onCluster(name) },
        policy: serviceAgentPolicy(args),
      },
      { parent: this },
    );
    this.#secret = this.#createSecret(name, args);
    this.#agent = this.#createAgent(name, args);
    this.registerOutputs({});
  }

  /**
   * What a pod of the service is given.
   *
   * @param schemaVersion version to which the schema was brought. A new pod gets no requests before its service reports
   *   at least this, and the digest of the file as its agent rendered it; undefined = the version is not looked at
   */
  pod(schemaVersion: pulumi.Input<number | undefined>): BoundPod {
    const wanted = pulumi.output(schemaVersion).apply((version) => (version === undefined ? "" : String(version)));
    const { container, volumes, done } = this.#agent;
    const env = container.env as input.core.v1.EnvVar[];
    return {
      serviceAccountName: this.#login.serviceAccount,
      sidecar: { ...container, env: [...env, { name: "AUDIT_SCHEMA", value: wanted }] },
      volumes,
      mount: { name: VOLUME, mountPath: DIRECTORY, readOnly: true },
      file: FILE,
      dependsOn: [this.#secret, ...done],
    };
  }

  /**
   * A resource that is done once the service has confirmed, in every pod that runs, that it works with the secret as
   * this run wrote it. It is a child of who asks.
   *
   * @param workload name of the pods
   * @param opts.dependsOn what must be done before: the rollout
   */
  confirmation(
    workload: string,
    opts: { parent: pulumi.Resource; dependsOn: readonly pulumi.Resource[] },
  ): pulumi.Resource {
    const { cluster } = this.#args;
    const digest = renderedDigest(this.#args);
    return cluster.step(
      `${this.#name}-confirmed`,
      {
        script: digest.apply((wanted) =>
          clusterScript("confirm.sh", [workload, AGENT, wanted, leftOut(this.#args) ?? "", ...cluster.kubectl]),
        ),
        triggers: [digest],
      },
      { parent: opts.parent, dependsOn: [this.#secret, ...opts.dependsOn] },
    );
  }

  #createSecret(name: string, { vault: { provider }, secret, data, credentials }: SecretsBindingArgs): pulumi.Resource {
    return new vault.kv.SecretV2(
      `${name}-secret`,
      {
        mount: secret.mount,
        name: secret.path,
        dataJson: pulumi.secret(pulumi.output(data).apply((value) => JSON.stringify(value))),
        deleteAllVersions: true,
      },
      { parent: this, provider, dependsOn: credentials ? [credentials.ready] : [] },
    );
  }

  #createAgent(name: string, args: SecretsBindingArgs): AgentSidecar {
    const { cluster, vault: access, secret, reloadDeadline: deadline = 30 } = args;
    const reload = `http://127.0.0.1:${args.reloadOn === "main" ? SERVICE_PORT : ADMIN_PORT}/reload`;
    const files = {
      "agent.hcl": renderAgentConfig({
        vaultAddress: access.agentAddress,
        namespace: access.namespace,
        caFile: access.authority && AUTHORITY_FILE,
        ...{ kubernetes: this.#login.kubernetes, metricsPort: AGENT_PORT },
        templateFile: "/agent/config.ctmpl",
        configFile: FILE,
        reloadCommand: RELOAD_COMMAND,
        renderInterval: args.renderInterval ?? 5,
        reloadDeadline: deadline,
        socket: args.signing && { path: SIGNING_SOCKET, user: VAULT_UID, group: args.serviceGid ?? SERVICE_GID },
      }),
      "config.ctmpl": renderTemplate(`${secret.mount}/data/${secret.path}`, args.credentials?.path),
      "reload.sh": scriptText("reload.sh"),
      "gate.sh": clusterScriptText("gate.sh"),
      "confirm-pod.sh": clusterScriptText("confirm-pod.sh"),
    };
    return agentSidecar(
      name,
      {
        ...{ cluster, vault: access, login: this.#login, gid: args.serviceGid ?? SERVICE_GID, files },
        rendered: { file: FILE, volume: VOLUME, directory: DIRECTORY },
        environment: {
          AUDIT_RENDERED_FILE: FILE,
          // There is one service in the pod, and no other to tell it from.
          AUDIT_MARKER_FILE: "/none",
          AUDIT_BLUE_REPLICAS: `service=${reload}`,
          AUDIT_GREEN_REPLICAS: "",
          AUDIT_RELOAD_SECONDS: String(deadline),
          AUDIT_READY_URL: `http://127.0.0.1:${SERVICE_PORT}/readyz`,
        },
        ready: ["sh", "/agent/gate.sh"],
      },
      { parent: this },
    );
  }
}
