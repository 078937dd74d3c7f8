import { NAMESPACE } from "../../../config/errors";
import type { Values } from "../../../config";
import { failure, ok, skipped, type Check, type Subject } from "../check";

const SERVERS = {
  vaultAddress: "Vault's",
  databaseHost: "PostgreSQL's",
  prometheusUrl: "Prometheus's",
  grafanaUrl: "Grafana's",
} as const satisfies Partial<Record<keyof Values, string>>;

const certificate = (key: keyof typeof SERVERS): Check => ({
  id: `certificate-${key}`,
  title: `${SERVERS[key]} certificate`,
  run: async ({ certificates, values }) => {
    const settings = [key, ...(key === "databaseHost" ? ["databaseAdminHost"] : [])].map(
      (name) => `${NAMESPACE}:${name}`,
    );
    const found = (await certificates()).find(({ setting }) => settings.includes(setting));
    if (found === undefined)
      return skipped(
        key === "databaseHost"
          ? `not checked with ${NAMESPACE}:databaseSslMode ${values.databaseSslMode}`
          : "plain HTTP",
      );
    return found.problem === undefined
      ? ok(
          `signed by ${values.caFile === undefined ? "a public authority" : `a public authority, or one of ${values.caFile.file}`}, if the server answers`,
        )
      : failure(found.problem, "see the message");
  },
});

export const certificates: Subject = {
  name: "Certificates",
  checks: (Object.keys(SERVERS) as (keyof typeof SERVERS)[]).map(certificate),
};
