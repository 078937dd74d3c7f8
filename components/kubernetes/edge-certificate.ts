import { Secret } from "@pulumi/kubernetes/core/v1";
import type { input } from "@pulumi/kubernetes/types";
import * as pulumi from "@pulumi/pulumi";
import { digestOf } from "../../lib/digest";
import { CERTIFICATE_AGENT, certificatePolicy, onCluster } from "../../lib/vault/rights";
import { CERTIFICATE_FILE, CERTIFICATE_METRICS, renderCertificateAgent } from "../../vault-agent/certificate";
import { readCertificate, type CertificateSource } from "../edge/edge-certificate";
import { AUTHORITY_FILE } from "../secrets/vault-agent";
import { agentSidecar } from "./agent-sidecar";
import type { Cluster } from "./cluster";
import { kubernetesLogin, type VaultForPods } from "./kubernetes-login";
import { AGENT_PORT } from "./ports";
import { UserError } from "../../lib/user-error";

/** Where the certificate is, in nginx and in the agent. */
const DIRECTORY = "/run/tls";
const VOLUME = "certificate";
/** Label of a Secret that names its certificate. */
const CHAIN = "audit/certificate";

export interface EdgeCertificateArgs {
  cluster: Cluster;
  source: CertificateSource;
  /** Host name or address, without brackets, in the service's address. */
  serverName: string;
  /** Numeric group of nginx. */
  gid: number;
  /** Needed where the certificate comes from it. */
  vault?: VaultForPods;
}

/** What a pod of nginx is given to have the certificate. */
export interface CertificateInPod {
  serviceAccountName?: string;
  sidecars: input.core.v1.Container[];
  volumes: input.core.v1.Volume[];
  mount: input.core.v1.VolumeMount;
  dependsOn: pulumi.Resource[];
}

/**
 * The edge's certificate, in a file that nginx reads at each handshake. From files it is a Secret of the namespace, and
 * another certificate is another Secret, so new pods; from Vault an agent in each pod keeps one of the pod's own, in
 * memory.
 */
export class EdgeCertificate extends pulumi.ComponentResource {
  readonly certificate = `${DIRECTORY}/${CERTIFICATE_FILE}`;
  readonly metrics = `${DIRECTORY}/${CERTIFICATE_METRICS}`;
  readonly pod: CertificateInPod;

  constructor(name: string, workload: string, args: EdgeCertificateArgs, opts?: pulumi.ComponentResourceOptions) {
    const { source } = args;
    const files =
      source.by === "files"
        ? readCertificate(source, args.serverName, { keyIsThere: !pulumi.runtime.isDryRun() })
        : undefined;
    super("audit:index:EdgeCertificate", name, {}, opts);
    this.pod =
      files === undefined ? this.#agent(name, workload, args) : this.#secret(name, workload, args.cluster, files);
    this.registerOutputs({});
  }

  #secret(
    name: string,
    workload: string,
    cluster: Cluster,
    files: ReturnType<typeof readCertificate>,
  ): CertificateInPod {
    const made = new Secret(
      name,
      {
        metadata: cluster.unnamed(workload, { [CHAIN]: digestOf(files.chain).slice(0, 12) }),
        immutable: true,
        stringData: {
          [CERTIFICATE_FILE]: pulumi.secret(`${files.chain}${files.key ?? ""}`),
          [CERTIFICATE_METRICS]: files.metrics,
        },
      },
      // A preview may have no key; by the label it shows another certificate all the same.
      { ...cluster.in(this), ...(files.key === undefined ? { ignoreChanges: ["stringData"] } : {}) },
    );
    return {
      sidecars: [],
      volumes: [{ name: VOLUME, secret: { secretName: made.metadata.name, defaultMode: 0o440 } }],
      mount: { name: VOLUME, mountPath: DIRECTORY, readOnly: true },
      dependsOn: [made],
    };
  }

  #agent(name: string, workload: string, args: EdgeCertificateArgs): CertificateInPod {
    const { source, cluster, vault, gid } = args;
    if (source.by !== "vault" || vault === undefined)
      throw new UserError("EdgeCertificate: a certificate from Vault needs the argument vault");
    const login = kubernetesLogin(
      workload,
      { cluster, vault, role: onCluster(CERTIFICATE_AGENT), policy: certificatePolicy(source) },
      { parent: this },
    );
    const { container, volumes, done } = agentSidecar(
      name,
      {
        ...{ cluster, vault, login, gid },
        files: renderCertificateAgent({
          ...source,
          vaultAddress: vault.agentAddress,
          namespace: vault.namespace,
          caFile: vault.authority && AUTHORITY_FILE,
          serverName: args.serverName,
          ...{ kubernetes: login.kubernetes, metricsPort: AGENT_PORT },
          templates: "/agent",
          directory: DIRECTORY,
        }),
        rendered: { file: this.certificate, volume: VOLUME, directory: DIRECTORY },
      },
      { parent: this },
    );
    return {
      serviceAccountName: login.serviceAccount,
      sidecars: [container],
      volumes,
      mount: { name: VOLUME, mountPath: DIRECTORY, readOnly: true },
      dependsOn: done,
    };
  }
}
