import { secret, type Output } from "@pulumi/pulumi";
import type { AccessTokensArgs } from "../components/secrets/access-tokens";
import type { DatabaseArgs } from "../components/database/database";
import type { DatabaseServer } from "../components/database/database-credentials";
import type { EdgeProxyArgs } from "../components/edge/edge-proxy";
import type { ObservabilityArgs } from "../components/observability/observability";
import type { SecretsBindingArgs } from "../components/secrets/secrets-binding";
import type { LogKeyArgs } from "../components/secrets/log-key";
import type { SlotsArgs } from "../components/release/slots";
import { SMOKE } from "../components/secrets/token-holders";
import type { VaultForAgents } from "../components/secrets/vault-access";
import type { VmArgs } from "../components/vm/vm";
import { DATABASE_MOUNT } from "../lib/vault/rights";
import { certificateSource } from "./edge";
import type { Values } from "./groups";
import { logAgent, logSigner } from "./log";
import { clusterArguments } from "./cluster";
import { inVault } from "./in-vault";
import { alerting, discovery } from "./monitoring";
import { peersOf } from "./peers";
import { serversOf } from "./servers";

/** The settings in the shape of the components' arguments, by subject, as far as these are plain data. */
export const argumentsOf = (values: Values) =>
  values.platform === "vm"
    ? { platform: values.platform, ...shared(values), vm: vmArguments(values) }
    : { platform: values.platform, ...shared(values), ...clusterArguments(values, registryLogin(values)) };

/** What does not depend on where the stack runs. */
const shared = (values: Values) => ({
  environment: values.environment,
  /** For checkCertificates(). */
  trust: { servers: serversOf(values), authority: values.caFile },
  service: serviceArguments(values),
  database: databaseArguments(values),
  tokens: tokensArguments(values),
  vault: vaultArguments(values),
  log: logArguments(values),
  edge: edgeArguments(values),
  monitoring: monitoringArguments(values),
});

/** For Vm. */
const vmArguments = (values: Values) =>
  ({
    // There is none on a cluster alone; config/platform.ts says so.
    address: values.hostAddress ?? "",
    sshOptions: values.hostSshOptions,
    tools: values.vaultImage,
    registry: registryLogin(values),
    networks: {
      name: "audit",
      range: values.networkPrefix,
      mtu: values.networkMtu || undefined,
      peers: peersOf(values),
    },
  }) satisfies VmArgs;

/**
 * How the VM logs in to the registry of the service's image; undefined = anonymously. The password is marked as secret.
 */
function registryLogin(values: Values): { server: string; username: string; password: Output<string> } | undefined {
  const { registryUsername: username, registryPassword: password } = values;
  if (username === undefined || password === undefined) return undefined;
  const server = values.image.slice(0, values.image.indexOf("/"));
  return { server, username, password: secret(password) };
}

/** For Slots and the service's own configuration. */
const serviceArguments = ({ image, replicas, memory, reloadOn, ...values }: Values) => ({
  ...({ spec: { image, replicas, memory, reloadOn }, readyDeadline: values.readySeconds } satisfies Partial<SlotsArgs>),
  /** File with the keys of the image's signature, for the job deploy; undefined = not checked. */
  imageKey: values.imageKey,
  /** Extra keys of the service's configuration; absent when off, because another image may not know them. */
  options: values.recordReads ? { recordReads: true } : {},
});

/** For AccessTokens. */
const tokensArguments = (values: Values) =>
  ({
    applications: [...values.applications, SMOKE],
    versions: values.tokenVersions,
    mount: values.vaultMount,
    path: `${values.vaultPath}-tokens`,
  }) satisfies Partial<AccessTokensArgs>;

/** For Database and its provider. */
function databaseArguments(values: Values) {
  const sslMode = values.databaseSslMode;
  /** As the VM and Vault reach it. With `require` no authority is passed: a driver would check it as with verify-ca. */
  const server: DatabaseServer = {
    host: values.databaseHost,
    port: values.databasePort,
    sslMode,
    authority: sslMode === "verify-full" ? values.caFile : undefined,
  };
  return {
    ...({
      server,
      database: values.databaseName,
      protect: values.protectData,
      passwordVersion: values.databasePasswordVersion,
      observer: values.databaseDriftUser,
    } satisfies Partial<DatabaseArgs>),
    /** PostgreSQL as this program reaches it. */
    admin: {
      host: values.databaseAdminHost ?? values.databaseHost,
      port: values.databaseAdminPort || values.databasePort,
      username: values.databaseAdminUser,
      sslmode: sslMode,
      sslrootcert: server.authority?.file,
    },
  };
}

/** For everything that is in Vault or calls it. */
const vaultArguments = (values: Values) => ({
  server: {
    address: values.vaultAddress,
    agentAddress: values.vaultAgentAddress ?? values.vaultAddress,
    namespace: values.vaultNamespace,
    authority: values.caFile,
    agentImage: values.vaultImage,
    boundCidrs: values.hostCidr === undefined ? undefined : [values.hostCidr],
  } satisfies Partial<VaultForAgents>,
  /** Path of the service's secret. */
  secret: { mount: values.vaultMount, path: values.vaultPath } satisfies SecretsBindingArgs["secret"],
  /** The engine that creates the service's database logins; undefined = the program creates them. */
  databaseEngine: values.databaseCredentials === "dynamic" ? { mount: DATABASE_MOUNT } : undefined,
  policies: values.vaultPolicies,
  rights: inVault(values),
});

/** For LogKey; undefined = the service keeps no log that proves itself. */
function logArguments(values: Values): { name: string; key: Omit<LogKeyArgs, "vault"> } | undefined {
  const signer = logSigner.chosen(values);
  if (signer.by === "off") return undefined;
  // The name of the log for all time, so it consists of what an installation does not change.
  const origin = values.logOrigin ?? `${new URL(values.serviceUrl).host}/${values.environment}`;
  return { name: logAgent(values), key: { origin, public: values.logPublic, signer } };
}

/** For EdgeProxy. */
const edgeArguments = (values: Values) =>
  ({
    images: { nginx: values.edgeImage, exporter: values.exporterImage },
    listen: { port: values.edgePort, tlsPort: values.edgeTlsPort, metricsPort: values.edgeMetricsPort },
    limits: { clientRate: values.edgeClientRate, clientConnections: values.edgeClientConnections },
    loggedSuccesses: values.edgeLoggedSuccesses,
    trustedProxies: values.edgeTrustedProxies,
    directClients: values.edgeDirectClients,
    metricsAllow: values.edgeMetricsAllow,
    publicUrl: values.serviceUrl,
    certificate: certificateSource(values),
  }) satisfies Partial<EdgeProxyArgs>;

/** For Observability, its provider, and the machine where Prometheus reads its files. */
const monitoringArguments = (values: Values) => ({
  ...({
    environment: values.environment,
    prometheus: { url: values.prometheusUrl, authority: values.caFile, targets: discovery.chosen(values) },
    alerts: alerting.chosen(values),
    links: [
      { title: "Service", url: values.serviceUrl },
      { title: "Targets", url: `${values.prometheusUrl}/targets` },
    ],
    runbookUrl: values.runbookUrl,
    log: values.log !== "off",
    certificate: certificateSource(values),
    databaseLimit: values.databaseLimit || undefined,
  } satisfies Partial<ObservabilityArgs>),
  grafana: {
    url: values.grafanaUrl,
    publicUrl: values.grafanaPublicUrl ?? values.grafanaUrl,
    dataSource: dataSource(values),
  },
  metricsAddress: values.metricsAddress,
  /** For filesHost(); undefined = no file is written. */
  files:
    values.prometheusHost === undefined
      ? undefined
      : { address: values.prometheusHost, sshOptions: values.prometheusSshOptions, tools: values.prometheusImage },
});

/** The existing data source, or the address for one to be created. */
function dataSource(values: Values): ObservabilityArgs["grafana"]["dataSource"] {
  const { grafanaDataSource: uid, grafanaPrometheusUrl: prometheusUrl = values.prometheusUrl } = values;
  return uid === undefined ? { prometheusUrl, authority: values.caFile } : { uid };
}
