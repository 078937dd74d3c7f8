import * as postgresql from "@pulumi/postgresql";
import * as pulumi from "@pulumi/pulumi";
import * as vault from "@pulumi/vault";
import * as grafana from "@pulumiverse/grafana";
import * as c from "./components";
import { settingsOfStack } from "./config";
import { publishedDashboard } from "./dashboards";
import { ROUTES } from "./nginx/routes";

/** The program: an async function, because it reads what the last run left before it makes anything. */
export = async () => {
  const s = settingsOfStack();
  await c.checkCertificates(s.trust.servers, s.trust.authority);
  const self = new pulumi.StackReference(`${pulumi.getOrganization()}/${pulumi.getProject()}/${pulumi.getStack()}`);
  const previous = (await self.getOutputDetails("releases")).value as c.ReleaseState | undefined;
  const previousVersion = (await self.getOutputDetails("databasePasswordVersion")).value as number | undefined;
  const previousIssue = (await self.getOutputDetails("secretIdsIssued")).value as string | undefined;
  const recreated = (await self.getOutputDetails("recreated")).value as c.Recreated | undefined;

  const { stack, bootstrap } = s.vault.rights;
  const agentsInVault = await c.findInVault(s.vault.policies, s.vault.server, stack, bootstrap);

  // Tokens come from the environment (VAULT_TOKEN, PGPASSWORD, GRAFANA_HTTP_HEADERS): as inputs they would stand in the state.
  const inVault = new vault.Provider("vault", {
    address: s.vault.server.address,
    namespace: s.vault.server.namespace,
    caCertFile: s.trust.authority?.file,
    skipChildToken: true,
  });
  const inPostgres = new postgresql.Provider("postgres", {
    ...s.database.admin,
    // The plugin builds a URL of it.
    host: c.inUrl(s.database.admin.host),
    superuser: false,
  });
  // With anything else here the plugin takes GRAFANA_AUTH into its inputs by itself (docs/decisions/0125).
  const inGrafana = new grafana.Provider("grafana", {
    url: s.monitoring.grafana.url,
    auth: "anonymous",
    caCert: s.trust.authority?.file,
  });
  const vm = new c.DockerHost("vm", { ...s.host, recreated });
  const files = c.filesHost("monitoring", s.monitoring.files);

  const database = new c.Database("audit", { ...s.database, provider: inPostgres, previousVersion });
  const tokens = new c.AccessTokens("audit", {
    ...s.vault.tokens,
    applications: s.service.applications,
    provider: inVault,
  });

  const networks = new c.Networks("audit", { ...s.network, host: vm });
  const slots = new c.Slots("audit-svc", {
    ...s.service,
    host: vm,
    networks,
    previous,
  });
  const agents = {
    secretIdIssue: c.secretIdIssue(previousIssue, slots.deploys),
    host: vm,
    networks,
    ...s.vault.agents,
  };
  const vaultForAgents = { ...s.vault.server, provider: inVault, inVault: agentsInVault };
  const credentials =
    s.vault.databaseEngine &&
    new c.DatabaseCredentials("audit-svc", {
      database,
      server: s.database.server,
      postgres: inPostgres,
      vault: { ...vaultForAgents, ...s.vault.databaseEngine },
    });
  const secrets = new c.SecretsBinding("audit-svc", {
    ...agents,
    vault: { ...vaultForAgents, ...s.vault.secret },
    data: { database: database.connection, tokens: tokens.hashes, ...s.service.options },
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
  const certificate =
    s.edge.tls &&
    new c.EdgeCertificate("audit-edge-certificate", {
      ...agents,
      vault: vaultForAgents,
      source: s.edge.tls,
      serverName: s.edge.serverName,
    });
  const edge = new c.EdgeProxy("audit-edge", {
    ...s.edge,
    host: vm,
    networks,
    upstreams: service.upstreams,
    flag: slots.flag,
    routes: ROUTES,
    certificate,
    agents: {
      agent: secrets.agentMetrics,
      ...(certificate?.agentMetrics && { "certificate-agent": certificate.agentMetrics }),
    },
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
    ...s.monitoring,
    prometheus: { ...s.monitoring.prometheus, files },
    published: { ...edge.targets, host: vm },
    grafana: { ...s.monitoring.grafana, provider: inGrafana, nginxDashboard: await publishedDashboard() },
    scrape: {
      ...s.monitoring.scrape,
      replicas: slots.serving,
      release: service.release,
      others: edge.otherMetrics,
    },
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
    databasePasswordVersion: locked.apply(() => s.database.passwordVersion),
    recreated: vm.recreated,
  };
};
