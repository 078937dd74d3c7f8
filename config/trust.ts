import { z } from "zod";
import { readCertificateAuthority } from "../components/certificate-authority";
import { httpsServer, type Server } from "../components/check-certificates";
import type { database } from "./database";
import { NAMESPACE } from "./errors";
import type { monitoring } from "./monitoring";
import { optional, type GroupOf } from "./values";
import type { vault } from "./vault";

/** Whose certificates the program, and what it runs on the VM, trust. */
export const trust = {
  caFile: optional(
    z.string().transform((file, context) => {
      try {
        return readCertificateAuthority(file);
      } catch (error) {
        context.addIssue({ code: "custom", message: (error as Error).message });
        return z.NEVER;
      }
    }),
  ),
};

/** The servers whose certificates the program, or what it sets up, needs, as the program reaches them. */
export function serversOf(settings: GroupOf<typeof database & typeof vault & typeof monitoring>): Server[] {
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
