import { conceal, passwordOf, secretPart } from "../ci/lib/secrets";
import type { Env } from "./project";

/** Logins of the environment, as a deploy by hand has them (docs/guide.md), and a shell with `make env`. */
const SECRETS = [
  ...["VAULT_TOKEN", "VAULT_SERVER_TOKEN", "PGPASSWORD", "AUDIT_REGISTRY_PASSWORD", "PULUMI_CONFIG_PASSPHRASE"],
  ...["AUDIT_PROMETHEUS_PASSWORD", "AUDIT_PROMETHEUS_TOKEN", "AUDIT_TOKEN", "AUDIT_READ_TOKEN"],
  ...["GITLAB_TOKEN", "CI_JOB_TOKEN", "VAULT_ID_TOKEN", "HARBOR_PASSWORD", "SSH_PRIVATE_KEY"],
];

/** From now on nothing that this process writes shows them. */
export function concealLogins(env: Env): void {
  for (const name of SECRETS) conceal(env[name]);
  for (const name of ["PULUMI_BACKEND_URL", "DATABASE_URL"]) conceal(passwordOf(env[name] ?? ""));
  if (env.GRAFANA_AUTH) conceal(secretPart(env.GRAFANA_AUTH));
  for (const header of Object.values(grafanaHeaders(env))) conceal(header.replace(/^(Basic|Bearer) /i, ""));
}

/** Headers with the login for Grafana: GRAFANA_HTTP_HEADERS, else of GRAFANA_AUTH; empty without either. */
export function grafanaHeaders({ GRAFANA_HTTP_HEADERS: headers, GRAFANA_AUTH: auth }: Env): Record<string, string> {
  if (headers) {
    try {
      return JSON.parse(headers) as Record<string, string>;
    } catch {
      return {};
    }
  }
  if (!auth) return {};
  return {
    Authorization: auth.includes(":") ? `Basic ${Buffer.from(auth).toString("base64")}` : `Bearer ${auth}`,
  };
}
