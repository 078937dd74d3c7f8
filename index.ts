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
/** The program: an async function, because it reads what the last run left before it makes anything. */
export = async () => {
  const s = settingsOfStack();
  await c.checkCertificates(serversOf(s), s.caFile);
  const last = await c.lastRun();
  const { inPostgres, inVault, inGrafana } = providers(s);

  const vm = new c.Vm("vm", {
    address: s.hostAddress,
    sshOptions: s.hostSshOptions,
    tools: s.vaultImage,
    registry: registryLogin(s),
    recreated: last.recreated,
    networks: { name: "audit", range: s.networkPrefix, mtu: s.networkMtu || undefined, peers: peersOf(s) },
  });
  const slots = new c.Slots("audit-svc", {
    vm,
    spec: { image: s.image, replicas: s.replicas, memory: s.memory, reloadOn: s.reloadOn },
    previous: last.releases,
    readyDeadline: s.readySeconds,
  });
  const vault = await vaultForAgents(s, inVault, c.secretIdIssue(last.secretIdsIssued, slots.deploys));
  const database = new c.Database("audit", {
    server: databaseServer(s),
    database: s.databaseName,
    provider: inPostgres,
    protect: s.protectData,
    passwordVersion: s.databasePasswordVersion,
    previousVersion: last.databasePasswordVersion,
    loginsBy: s.databaseCredentials === "dynamic" ? { name: "audit-svc", vault } : undefined,
  });
  const tokens = new c.AccessTokens("audit", {
    applications: s.applications,
    provider: inVault,
    mount: s.vaultMount,
    path: `${s.vaultPath}-tokens`,
  });
  const secrets = new c.SecretsBinding("audit-svc", {
    vm,
    vault,
    slots,
    secret: { mount: s.vaultMount, path: s.vaultPath },
    data: { database: database.connection, tokens: tokens.hashes, ...(s.recordReads && { recordReads: true }) },
    credentials: database.credentials,
  });
  const edge = new c.EdgeProxy("audit-edge", {
    vm,
    vault,
    images: { nginx: s.edgeImage, exporter: s.exporterImage },
    upstreams: slots.plan.replicas,
    flag: slots.flag,
    routes: ROUTES,
    listen: { port: s.edgePort, tlsPort: s.edgeTlsPort, metricsPort: s.edgeMetricsPort },
    certificate: certificateSource(s),
    agents: { agent: secrets.agentMetrics },
    limits: { clientRate: s.edgeClientRate, clientConnections: s.edgeClientConnections },
    trustedProxies: s.edgeTrustedProxies,
    directClients: s.edgeDirectClients,
    metricsAllow: s.edgeMetricsAllow,
    publicUrl: s.serviceUrl,
  });
  const service = new c.AuditService("audit-svc", { vm, slots, database, secrets, behind: edge });
  const observability = new c.Observability("audit", await observed(s, { vm, slots, edge, service, inGrafana }));

  const links = {
    serviceUrl: edge.url,
    dashboardUrl: observability.dashboardUrl,
    nginxDashboardUrl: observability.nginxDashboardUrl,
    image: service.image,
    release: service.release,
  };
  c.handToCi(links);
  return {
    ...links,
    releases: c.forNextRun({
      releases: service.state,
      databasePasswordVersion: service.databasePasswordVersion,
      secretIdsIssued: c.heldUntil([secrets.agent, edge.certificateVolume], vault.secretIdIssue),
      recreated: vm.recreated,
    }),
  };
};
