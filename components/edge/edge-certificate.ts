import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { createPrivateKey, X509Certificate } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { isIP } from "node:net";
import {
  CERTIFICATE_FILE,
  CERTIFICATE_METRICS,
  renderCertificateAgent,
  renderCertificateMetrics,
} from "../../vault-agent/certificate";
import { argumentName, type Argument } from "../../lib/argument-names";
import { certificatePolicy } from "../../lib/vault/rights";
import { appRoleLogin, VAULT_UID } from "../secrets/app-role";
import { digestOf } from "../../lib/digest";
import { heldUntil } from "../../lib/held";
import { scriptInImage, scriptLine } from "../host/script-file";
import { dockerRun } from "../../lib/shell";
import { UserError } from "../../lib/user-error";
import type { VaultForAgents } from "../secrets/vault-access";
import { AUTHORITY_FILE, vaultAgent, type AgentMetrics } from "../secrets/vault-agent";
import type { Vm } from "../vm/vm";

/** Gid of nginx in the official image. */
const NGINX_GID = 101;
/** Where the volume is mounted, in nginx and in the agent. */
const DIRECTORY = "/run/tls";

/** A tmpfs, so that a key from Vault is never on disk. */
const IN_MEMORY = { type: "tmpfs", device: "tmpfs", o: `size=1m,mode=0750,uid=${VAULT_UID},gid=${NGINX_GID}` };

/** Where the certificate comes from. */
export type CertificateSource =
  | {
      by: "files";
      /** PEM files on the machine that deploys: the certificate with its chain, and its key. */
      certificateFile: string;
      keyFile: string;
    }
  | {
      by: "vault";
      /** Mount of Vault's PKI and its role, which must exist. */
      mount: string;
      role: string;
      /** Life of a certificate, for example "72h"; the agent fetches the next one well before its end. */
      ttl: string;
    };

export interface EdgeCertificateArgs {
  vm: Vm;
  source: CertificateSource;
  /** Host name or address, without brackets, in the service's address. */
  serverName: string;
  /** Needed for a certificate from Vault. */
  vault?: VaultForAgents;
}

/**
 * The edge's certificate, in a volume that nginx reads at each handshake: a new certificate takes effect at once,
 * without a reload (docs/decisions/0081). From files it is copied at each deploy. From Vault a dedicated agent renews
 * it; the agent's token may issue certificates for one PKI role and nothing else.
 */
export class EdgeCertificate extends pulumi.ComponentResource {
  /** Docker volume with the certificate, and where it is to be mounted. */
  readonly volume: pulumi.Output<string>;
  readonly directory = DIRECTORY;
  readonly certificate = `${DIRECTORY}/${CERTIFICATE_FILE}`;
  readonly metrics = `${DIRECTORY}/${CERTIFICATE_METRICS}`;
  /** Metrics of the agent that renews it; undefined when it comes from files. */
  readonly agentMetrics: AgentMetrics | undefined;

  constructor(name: string, args: EdgeCertificateArgs, opts?: pulumi.ComponentResourceOptions) {
    const { source } = args;
    const files =
      source.by === "files"
        ? readCertificate(source, args.serverName, { keyIsThere: !pulumi.runtime.isDryRun() })
        : undefined;
    super("audit:index:EdgeCertificate", name, {}, opts);
    // Two resources rather than one that changes its kind: to replace a volume, everything that uses it must be removed
    // first, and nginx would be gone before its new configuration was tested.
    const onHost = { parent: this, provider: args.vm.provider, deleteBeforeReplace: true };
    const volume =
      files === undefined
        ? new docker.Volume(`${name}-tmpfs`, { name: `${name}-tmpfs`, driver: "local", driverOpts: IN_MEMORY }, onHost)
        : new docker.Volume(name, { name }, onHost);
    const { there, agentMetrics } =
      files === undefined ? this.#agent(name, args, volume) : { there: this.#copy(name, args.vm, volume, files) };
    this.volume = heldUntil([volume, there], files === undefined ? `${name}-tmpfs` : name);
    this.agentMetrics = agentMetrics;
    this.registerOutputs({ volume: this.volume });
  }

  #copy(name: string, vm: Vm, volume: docker.Volume, files: CertificateFiles): pulumi.Output<string> {
    const write = dockerRun({
      image: vm.tools,
      interactive: true,
      volumes: [`${name}:/files`],
      capabilities: ["CHOWN"],
      ...scriptInImage("copy-certificate.sh", ["/files", NGINX_GID, CERTIFICATE_FILE, CERTIFICATE_METRICS]),
    });
    return vm.script(
      `${name}-files`,
      {
        script: write,
        stdin: pulumi.secret(`${files.metrics}${SEPARATOR}\n${files.chain}${files.key ?? ""}`),
        // The digest lets a preview show a changed certificate even without the key.
        triggers: [volume.id, digestOf(files.chain)],
      },
      { parent: this, dependsOn: [volume], ...(files.key === undefined ? { ignoreChanges: ["stdin"] } : {}) },
    ).id;
  }

  #agent(
    name: string,
    args: EdgeCertificateArgs,
    volume: docker.Volume,
  ): { there: pulumi.Output<string>; agentMetrics?: AgentMetrics } {
    const { source, vm, vault } = args;
    if (source.by !== "vault" || vault === undefined)
      throw new UserError("EdgeCertificate: a certificate from Vault needs the argument vault");
    const login = appRoleLogin(name, { vm, vault, policy: certificatePolicy(source) }, { parent: this });
    const files = renderCertificateAgent({
      ...source,
      vaultAddress: vault.agentAddress,
      namespace: vault.namespace,
      caFile: vault.authority && AUTHORITY_FILE,
      serverName: args.serverName,
      roleIdFile: "/credentials/role_id",
      secretIdFile: "/credentials/secret_id",
      templates: "/agent",
      directory: DIRECTORY,
    });
    const agent = vaultAgent(
      name,
      {
        host: vm,
        login,
        vault,
        gid: NGINX_GID,
        files,
        rendered: this.certificate,
        networks: [{ name: vm.networks.egress.name }],
        mounts: [{ type: "volume", source: volume.name, target: DIRECTORY }],
      },
      { parent: this },
    );
    const issued = vm.script(
      `${name}-issued`,
      {
        // Wait for the first certificate: without one nginx would start but complete no handshake.
        script: scriptLine("wait-certificate.sh", [
          ...[`${name}-agent`, this.certificate],
          ...(isIP(args.serverName) === 0 ? ["name"] : ["address", argumentName("EdgeProxy: certificate.role")]),
        ]),
        triggers: [agent.container.id],
      },
      { parent: this, dependsOn: [agent.loggedIn] },
    );
    return { there: issued.id, agentMetrics: agent.metrics };
  }
}

const SEPARATOR = "-----certificate-----";

interface CertificateFiles {
  /** The certificate and its chain, PEM. */
  chain: string;
  /** Its key, PEM; undefined in a preview that has no key. */
  key: string | undefined;
  metrics: string;
}

/**
 * Reads and checks the files before anything is changed.
 *
 * @param keyIsThere false in a preview: it sends nothing and may run where the key is not available; if the key exists,
 * it is checked
 * @throws UserError naming the argument and the cure
 */
export function readCertificate(
  { certificateFile, keyFile }: { certificateFile: string; keyFile: string },
  serverName: string,
  { keyIsThere = true, now = new Date() }: { keyIsThere?: boolean; now?: Date } = {},
): CertificateFiles {
  type File = Extract<Argument, `EdgeProxy: certificate.${string}File`>;
  const read = (argument: File, file: string): string => {
    try {
      return readFileSync(file, "utf8");
    } catch (error) {
      throw new UserError(
        `${argumentName(argument)} ${file} cannot be read (${(error as NodeJS.ErrnoException).code ?? "?"}); it must be a PEM file that this program may read`,
      );
    }
  };
  const parse = <T>(argument: File, file: string, what: string, parser: (text: string) => T): [string, T] => {
    const text = read(argument, file);
    try {
      return [text, parser(text)];
    } catch {
      throw new UserError(`${argumentName(argument)} ${file} is not ${what} in PEM format`);
    }
  };
  const [chain, certificate] = parse(
    "EdgeProxy: certificate.certificateFile",
    certificateFile,
    "a certificate",
    (t) => new X509Certificate(t),
  );
  const [key, parsedKey] =
    keyIsThere || existsSync(keyFile)
      ? parse("EdgeProxy: certificate.keyFile", keyFile, "a private key without a passphrase", (t) =>
          createPrivateKey(t),
        )
      : [];
  const end = new Date(certificate.validTo);
  if (parsedKey !== undefined && !certificate.checkPrivateKey(parsedKey)) {
    throw new UserError(
      `${argumentName("EdgeProxy: certificate.keyFile")} ${keyFile} is not the key of the certificate in ${certificateFile}`,
    );
  }
  if (end <= now)
    throw new UserError(
      `${argumentName("EdgeProxy: certificate.certificateFile")} ${certificateFile} has expired on ${end.toISOString()}`,
    );
  const matches = isIP(serverName) !== 0 ? certificate.checkIP(serverName) : certificate.checkHost(serverName);
  if (matches === undefined) {
    throw new UserError(
      `${argumentName("EdgeProxy: certificate.certificateFile")} ${certificateFile} is for ${certificate.subjectAltName ?? certificate.subject}, not for ${serverName}, the host of ${argumentName("EdgeProxy: publicUrl")}`,
    );
  }
  const ended = (text: string) => (text.endsWith("\n") ? text : `${text}\n`);
  return {
    chain: ended(chain),
    key: key === undefined ? undefined : ended(key),
    metrics: renderCertificateMetrics("files", Math.floor(end.getTime() / 1000)),
  };
}
