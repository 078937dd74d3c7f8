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
    if (found.problem !== undefined) return failure(found.problem, "see the message");
    if (found.unanswered !== undefined) return skipped(`no certificate to look at: ${found.unanswered}`);
    return ok(`signed by a public authority${values.caFile === undefined ? "" : `, or one of ${values.caFile.file}`}`);
  },
});

export const certificates: Subject = {
  name: "Certificates",
  checks: (Object.keys(SERVERS) as (keyof typeof SERVERS)[]).map(certificate),
};
