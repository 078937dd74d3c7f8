import * as c from "./components";
import * as k from "./components/kubernetes";
import type { ClusterSettings } from "./config";
import { publishedDashboard } from "./dashboards";
import { routesOf } from "./nginx/routes";
import { outputsOf } from "./outputs";
import { providers } from "./providers";

/** The program for a stack on a Kubernetes cluster; index.ts is the one for a VM. */
export async function onCluster(s: ClusterSettings) {
  const last = await c.lastRun();
  await c.checkCertificates(s.trust.servers, s.trust.authority);
  const [agentsInVault] = await Promise.all([
    c.findInVault(s.vault.policies, s.vault.server, s.vault.rights),
    k.checkCluster({ ...s.cluster, formerNamespace: last.namespace }),
    c.warnOfBroadCreateRole(s.database.admin, s.trust.authority),
  ]);
  const { inVault, inPostgres, inGrafana } = providers(s);

  // Where everything runs: a namespace in which nothing may be reached, or reach anything, unless a component says so.
  const cluster = new k.Cluster("cluster", s.cluster);

  // What the service works with: its database, its clients' tokens, and the way of both to it.
  const vault = { ...s.vault.server, ...s.login, provider: inVault, inVault: agentsInVault };
  const database = new c.Database("audit", {
    ...s.database,
    provider: inPostgres,
    previousVersion: last.databasePasswordVersion,
    loginsBy: s.vault.databaseEngine && { name: "audit-svc-cluster", vault: { ...vault, ...s.vault.databaseEngine } },
  });
  const tokens = new c.AccessTokens("audit", { ...s.tokens, provider: inVault, previous: last.tokenVersions });
  const log = s.log && new c.LogKey(s.log.name, { ...s.log.key, vault, previous: last.logKeys });
  const secrets = new k.SecretsBinding("audit-svc", {
    ...{ cluster, vault, secret: s.vault.secret, reloadOn: s.service.spec.reloadOn },
    data: { database: database.connection, tokens: tokens.hashes, log: log?.configuration, ...s.service.options },
    ...{ credentials: database.credentials, signing: log?.signing },
  });

  // The service: migrated, rolled out pod by pod; then the former login is locked. And before it the way in.
  const service = new k.AuditService("audit-svc", {
    ...{ ...s.service, ...s.onCluster, cluster, database, tokens, secrets, reach: s.reach },
    ...{ previous: last.releases, behind: "audit-edge" },
  });
  const edge = new k.EdgeProxy("audit-edge", {
    ...{ ...s.edge, ...s.front, cluster, vault, service, routes: routesOf(log), reach: s.reach },
  });

  const observability = new c.Observability("audit", {
    ...{ ...s.monitoring, edge, service, loginPerPod: database.credentials !== undefined },
    files: c.filesHost("monitoring", s.monitoring.files),
    grafana: { ...s.monitoring.grafana, provider: inGrafana, nginxDashboard: await publishedDashboard() },
  });

  return {
    ...outputsOf(edge, service, observability, log, last.logKeys),
    releases: c.forNextRun({
      releases: service.state,
      databasePasswordVersion: service.databasePasswordVersion,
      tokenVersions: service.tokenVersions,
      recreated: {},
      namespace: cluster.namespace,
    }),
  };
}
