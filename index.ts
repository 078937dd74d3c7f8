import * as postgresql from "@pulumi/postgresql";
import * as pulumi from "@pulumi/pulumi";
import * as vault from "@pulumi/vault";
import * as grafana from "@pulumiverse/grafana";
import * as c from "./components";
import {
  certificateSource,
  inVault as rightsInVault,
  peersOf,
  registryLogin,
  serversOf,
  settingsOfStack,
} from "./config";
import { publishedDashboard } from "./dashboards";
import { ROUTES } from "./nginx/routes";

/** The program: an async function, because it reads what the last run left before it makes anything. */
export = async () => {
  const s = settingsOfStack();
  await c.checkCertificates(serversOf(s), s.caFile);
  const self = new pulumi.StackReference(`${pulumi.getOrganization()}/${pulumi.getProject()}/${pulumi.getStack()}`);
  const previous = (await self.getOutputDetails("releases")).value as c.ReleaseState | undefined;
  const previousVersion = (await self.getOutputDetails("databasePasswordVersion")).value as number | undefined;
  const previousIssue = (await self.getOutputDetails("secretIdsIssued")).value as string | undefined;
  const recreated = (await self.getOutputDetails("recreated")).value as c.Recreated | undefined;

  const rights = rightsInVault(s);
  const agentsInVault = await c.findInVault(
    s.vaultPolicies,
    { address: s.vaultAddress, namespace: s.vaultNamespace, authority: s.caFile },
    rights.stack,
    rights.bootstrap,
  );

  const postgres = {
    host: s.databaseAdminHost ?? s.databaseHost,
    port: s.databaseAdminPort || s.databasePort,
    user: s.databaseAdminUser,
    sslMode: s.databaseSslMode,
    authority: s.caFile,
  };
  await c.warnOfBroadCreateRole(postgres);

  // Tokens come from the environment (VAULT_TOKEN, PGPASSWORD, GRAFANA_HTTP_HEADERS): as inputs they would stand in the state.
  const inVault = new vault.Provider("vault", {
    address: s.vaultAddress,
    namespace: s.vaultNamespace,
    caCertFile: s.caFile?.file,
    skipChildToken: true,
  });
  const inPostgres = new postgresql.Provider("postgres", {
    // The plugin builds a URL of it.
    host: c.inUrl(postgres.host),
    port: postgres.port,
    username: postgres.user,
    sslmode: postgres.sslMode,
    // With `require` the driver would take it for verify-ca.
    sslrootcert: s.databaseSslMode === "verify-full" ? s.caFile?.file : undefined,
    superuser: false,
  });
  // With anything else here the plugin takes GRAFANA_AUTH into its inputs by itself (docs/decisions/0125).
  const inGrafana = new grafana.Provider("grafana", { url: s.grafanaUrl, auth: "anonymous", caCert: s.caFile?.file });
  const vm = new c.DockerHost("vm", {
    address: s.hostAddress,
    sshOptions: s.hostSshOptions,
    tools: s.vaultImage,
    registry: registryLogin(s),
    recreated,
  });
  const monitoring = c.filesHost("monitoring", s.prometheusHost, s.prometheusSshOptions, s.prometheusImage);

  const server = {
    host: s.databaseHost,
    port: s.databasePort,
    sslMode: s.databaseSslMode,
    authority: s.databaseSslMode === "verify-full" ? s.caFile : undefined,
  };
  const database = new c.Database("audit", {
    server,
    database: s.databaseName,
    provider: inPostgres,
    protect: s.protectData,
    passwordVersion: s.databasePasswordVersion,
    previousVersion,
    credentials: s.databaseCredentials,
  });
  const tokens = new c.AccessTokens("audit", {
    applications: s.applications,
    provider: inVault,
    mount: s.vaultMount,
    path: `${s.vaultPath}-tokens`,
  });

  const networks = new c.Networks("audit", {
    host: vm,
    range: s.networkPrefix,
    mtu: s.networkMtu || undefined,
    peers: peersOf(s),
  });
  const slots = new c.Slots("audit-svc", {
    host: vm,
    networks,
    spec: { image: s.image, replicas: s.replicas, memory: s.memory, reloadOn: s.reloadOn },
    previous,
    readyDeadline: s.readySeconds,
  });
  const agents = {
    secretIdIssue: c.secretIdIssue(previousIssue, slots.deploys),
    host: vm,
    image: s.vaultImage,
    networks,
    boundCidrs: s.hostCidr === undefined ? undefined : [s.hostCidr],
  };
  const vaultAccess = {
    provider: inVault,
    address: s.vaultAddress,
    namespace: s.vaultNamespace,
    authority: s.caFile,
    inVault: agentsInVault,
  };
  const vaultForAgents = {
    ...vaultAccess,
    agentAddress: s.vaultAgentAddress ?? s.vaultAddress,
  };
  const credentials =
    s.databaseCredentials === "dynamic"
      ? new c.DatabaseCredentials("audit-svc", {
          database,
          server,
          postgres: inPostgres,
          vault: vaultAccess,
        })
      : undefined;
  const secrets = new c.SecretsBinding("audit-svc", {
    ...agents,
    vault: { ...vaultForAgents, mount: s.vaultMount, path: s.vaultPath },
    data: {
      database: database.connection,
      tokens: tokens.hashes,
      // Absent when off: another image may not know it.
      ...(s.recordReads && { recordReads: true }),
    },
    credentials,
    slots,
  });
  const config = { volume: secrets.configVolume, file: secrets.configFile };
  const service = new c.AuditService("audit-svc", {
    host: vm,
    networks,
    slots,
    config,
    migrate: { database: database.ownerConnection, runtimeRole: database.runtimeRole, tokens: [] },
    after: [secrets.rendered],
  });
  const source = certificateSource(s);
  const certificate =
    source &&
    new c.EdgeCertificate("audit-edge-certificate", {
      ...agents,
      vault: vaultForAgents,
      source,
      serverName: c.bareHost(new URL(s.serviceUrl).hostname),
    });
  const edge = new c.EdgeProxy("audit-edge", {
    host: vm,
    networks,
    images: { nginx: s.edgeImage, exporter: s.exporterImage },
    upstreams: service.upstreams,
    flag: slots.flag,
    routes: ROUTES,
    listen: { port: s.edgePort, tlsPort: s.edgeTlsPort, metricsPort: s.edgeMetricsPort },
    certificate,
    agents: {
      agent: secrets.agentMetrics,
      ...(certificate?.agentMetrics && { "certificate-agent": certificate.agentMetrics }),
    },
    limits: { clientRate: s.edgeClientRate, clientConnections: s.edgeClientConnections },
    trustedProxies: s.edgeTrustedProxies,
    directClients: s.edgeDirectClients,
    metricsAllow: s.edgeMetricsAllow,
    publicUrl: s.serviceUrl,
  });
  const cutover = new c.Cutover("audit-svc", {
    host: vm,
    slots,
    containers: service.containers,
    config,
    schemaVersion: service.schemaVersion,
    after: [edge, secrets],
  });
  // The service's former login works until every replica has confirmed the new one.
  const locked = database.lockFormerLogin([secrets.confirmed([cutover])]);
  const observability = new c.Observability("audit", {
    environment: s.environment,
    prometheus: {
      url: s.prometheusUrl,
      authority: s.caFile,
      targets:
        s.prometheusDiscovery === "http"
          ? { by: "http", host: vm, published: edge.targets }
          : { by: "file", host: monitoring, directory: s.prometheusTargets },
    },
    alerts:
      s.alerts === "prometheus"
        ? { in: "prometheus", host: monitoring, directory: s.prometheusRules, reload: s.prometheusReload }
        : { in: s.alerts },
    grafana: {
      provider: inGrafana,
      publicUrl: s.grafanaPublicUrl ?? s.grafanaUrl,
      dataSource:
        s.grafanaDataSource === undefined
          ? { prometheusUrl: s.grafanaPrometheusUrl ?? s.prometheusUrl, authority: s.caFile }
          : { uid: s.grafanaDataSource },
      nginxDashboard: await publishedDashboard(),
    },
    scrape: { address: s.metricsAddress, replicas: slots.serving, release: service.release, others: edge.otherMetrics },
    links: [
      { title: "Service", url: s.serviceUrl },
      { title: "Targets", url: `${s.prometheusUrl}/targets` },
    ],
    runbookUrl: s.runbookUrl,
    certificate: source,
    databaseLimit: s.databaseLimit || undefined,
    after: [cutover],
  });

  c.handToCi({
    SERVICE_URL: edge.url,
    DASHBOARD_URL: observability.dashboardUrl,
    NGINX_DASHBOARD_URL: observability.nginxDashboardUrl,
    IMAGE: cutover.image,
    RELEASE: cutover.release,
  });
  return {
    serviceUrl: edge.url,
    dashboardUrl: observability.dashboardUrl,
    nginxDashboardUrl: observability.nginxDashboardUrl,
    image: cutover.image,
    release: cutover.release,
    releases: cutover.state,
    secretIdsIssued: pulumi.all([secrets.agent, certificate?.volume]).apply(() => agents.secretIdIssue),
    databasePasswordVersion: locked.apply(() => s.databasePasswordVersion),
    recreated: vm.recreated,
  };
};
