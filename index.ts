import type * as cluster from "./cluster";
import * as c from "./components";
import { settingsOfStack } from "./config";
import { publishedDashboard } from "./dashboards";
import { routesOf } from "./nginx/routes";
import { outputsOf } from "./outputs";
import { providers } from "./providers";

/** The program. It is an async function because it looks at what exists before it creates anything. */
export = async () => {
  const s = settingsOfStack();
  if (s.platform === "kubernetes") return composition().onCluster(s);
  await c.checkCertificates(s.trust.servers, s.trust.authority);
  const [agentsInVault, last] = await Promise.all([
    c.findInVault(s.vault.policies, s.vault.server, s.vault.rights),
    c.lastRun(),
    c.warnOfBroadCreateRole(s.database.admin, s.trust.authority),
  ]);
  const { inVault, inPostgres, inGrafana } = providers(s);

  // Which slot serves, and which one this run fills.
  const vm = new c.Vm("vm", { ...s.vm, recreated: last.recreated });
  const slots = new c.Slots("audit-svc", { ...s.service, vm, previous: last.releases });

  // What the service works with: its database, its clients' tokens, and the way of both to it.
  const vault = {
    ...s.vault.server,
    provider: inVault,
    inVault: agentsInVault,
    secretIdIssue: c.secretIdIssue(last.secretIdsIssued, slots.deploys),
  };
  const database = new c.Database("audit", {
    ...s.database,
    provider: inPostgres,
    previousVersion: last.databasePasswordVersion,
    loginsBy: s.vault.databaseEngine && { name: "audit-svc", vault: { ...vault, ...s.vault.databaseEngine } },
  });
  const tokens = new c.AccessTokens("audit", { ...s.tokens, provider: inVault, previous: last.tokenVersions });
  const log = s.log && new c.LogKey(s.log.name, { ...s.log.key, vault, previous: last.logKeys });
  const secrets = new c.SecretsBinding("audit-svc", {
    ...{ vm, vault, slots, secret: s.vault.secret },
    data: { database: database.connection, tokens: tokens.hashes, log: log?.configuration, ...s.service.options },
    ...{ credentials: database.credentials, signing: log?.signing },
  });

  // The way in, and behind it the service: migrated, started, promoted; then the former release is drained and the
  // former login locked.
  const edge = new c.EdgeProxy("audit-edge", {
    ...{ ...s.edge, vm, vault, slots, routes: routesOf(log) },
    agents: { agent: secrets.agentMetrics },
  });
  const service = new c.AuditService("audit-svc", { vm, slots, database, tokens, secrets, behind: edge });

  const observability = new c.Observability("audit", {
    ...{ ...s.monitoring, edge, service },
    files: c.filesHost("monitoring", s.monitoring.files),
    grafana: { ...s.monitoring.grafana, provider: inGrafana, nginxDashboard: await publishedDashboard() },
  });

  return {
    ...outputsOf(edge, service, observability, log, last.logKeys),
    releases: c.forNextRun({
      releases: service.state,
      databasePasswordVersion: service.databasePasswordVersion,
      tokenVersions: service.tokenVersions,
      // Recorded only once the agents are logged in with them; otherwise the next run issues them again.
      secretIdsIssued: c.heldUntil([secrets.agent, edge.certificateVolume], vault.secretIdIssue),
      recreated: vm.recreated,
    }),
    // A program of an earlier version must not deploy over this one (docs/decisions/0153).
    ...c.STOPS_EARLIER_VERSIONS,
  };
};

/** Of a cluster, loaded when it is wanted: a stack on a VM loads nothing of Kubernetes (docs/decisions/0164). */
// eslint-disable-next-line @typescript-eslint/no-require-imports -- `import()` would be Node's own, which reads no TypeScript
const composition = () => require("./cluster") as typeof cluster;
