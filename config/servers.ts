import { httpsServer, type Server } from "../lib/check-certificates";
import { NAMESPACE } from "./errors";
import type { Values } from "./groups";

/**
 * The servers whose certificates the program, or what it deploys, must trust, at the addresses by which the program
 * reaches them.
 */
export function serversOf(settings: Values): Server[] {
  const { databaseAdminHost, databaseAdminPort, databaseHost, databasePort, databaseSslMode } = settings;
  const [setting, host] =
    databaseAdminHost === undefined ? ["databaseHost", databaseHost] : ["databaseAdminHost", databaseAdminHost];
  const port = databaseAdminPort || databasePort;
  const database: Server = {
    ...{ setting: `${NAMESPACE}:${setting}`, address: `${host}:${port}`, host, port },
    ...{ protocol: "postgresql", exclusive: true },
  };
  return [
    httpsServer(`${NAMESPACE}:vaultAddress`, settings.vaultAddress, true),
    databaseSslMode === "verify-full" ? database : undefined,
    httpsServer(`${NAMESPACE}:prometheusUrl`, settings.prometheusUrl, false),
    httpsServer(`${NAMESPACE}:grafanaUrl`, settings.grafanaUrl, true),
    settings.grafanaPrometheusUrl === undefined
      ? undefined
      : httpsServer(`${NAMESPACE}:grafanaPrometheusUrl`, settings.grafanaPrometheusUrl, true),
  ].filter((server) => server !== undefined);
}
