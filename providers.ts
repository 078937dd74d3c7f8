import * as postgresql from "@pulumi/postgresql";
import * as vault from "@pulumi/vault";
import * as grafana from "@pulumiverse/grafana";
import { inUrl } from "./components";
import type { Settings } from "./config";

/**
 * Providers for the existing servers. Logins come from the environment (VAULT_TOKEN, PGPASSWORD, GRAFANA_HTTP_HEADERS),
 * because inputs would be stored in the state.
 */
export function providers({ vault: inVault, database, monitoring, trust }: Settings) {
  return {
    inVault: new vault.Provider("vault", {
      address: inVault.server.address,
      namespace: inVault.server.namespace,
      caCertFile: trust.authority?.file,
      skipChildToken: true,
    }),
    // The plugin builds a URL from the host.
    inPostgres: new postgresql.Provider("postgres", {
      ...database.admin,
      host: inUrl(database.admin.host),
      superuser: false,
    }),
    // With any other `auth` the plugin stores GRAFANA_AUTH in its inputs (docs/decisions/0125).
    inGrafana: new grafana.Provider("grafana", {
      url: monitoring.grafana.url,
      auth: "anonymous",
      caCert: trust.authority?.file,
    }),
  };
}
