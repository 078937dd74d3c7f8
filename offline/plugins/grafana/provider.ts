import type * as grafana from "@pulumiverse/grafana";
import sdk from "@pulumiverse/grafana/package.json" with { type: "json" };
import { defineProvider } from "../framework/index.js";
import { annotation } from "./annotation.js";
import { Api } from "./api.js";
import { dashboard, storeOnlyHashes } from "./dashboard.js";
import { dataSource } from "./data-source.js";
import { folder } from "./folder.js";
import { ruleGroup } from "./rule-group.js";

/** An environment variable that is set to something. */
function variable(name: string): string | undefined {
  const value = process.env[name];
  return value === undefined || value === "" ? undefined : value;
}

function numberVariable(name: string, otherwise: number): number {
  const value = Number(variable(name) ?? otherwise);
  if (!Number.isInteger(value))
    throw new Error(`failed to parse ${name}: "${variable(name) ?? ""}" is not a whole number`);
  return value;
}

function headersVariable(): Record<string, string> | undefined {
  const text = variable("GRAFANA_HTTP_HEADERS");
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text) as Record<string, string>;
  } catch (error) {
    throw new Error(`failed to parse GRAFANA_HTTP_HEADERS: ${(error as Error).message}`, { cause: error });
  }
}

export const grafanaProvider = defineProvider<typeof grafana.Provider, Api>({
  name: "grafana",
  version: sdk.version,
  config: {
    url: { variable: "GRAFANA_URL", default: () => variable("GRAFANA_URL") },
    auth: { secret: true, variable: "GRAFANA_AUTH", default: () => variable("GRAFANA_AUTH") },
    caCert: { variable: "GRAFANA_CA_CERT" },
    // The only way in that stays out of the state: GRAFANA_HTTP_HEADERS is read by Configure alone.
    httpHeaders: { json: true, secret: true },
    retries: { json: true, variable: "GRAFANA_RETRIES" },
    retryWait: { json: true, variable: "GRAFANA_RETRY_WAIT" },
    // Of the resources here none heeds it: see Api.orgId.
    orgId: { json: true },
    storeDashboardSha256: { json: true, variable: "GRAFANA_STORE_DASHBOARD_SHA256" },
  },
  configure(config) {
    storeOnlyHashes(config.storeDashboardSha256 ?? variable("GRAFANA_STORE_DASHBOARD_SHA256") === "true");
    return new Api({
      url: config.url,
      auth: config.auth,
      caCert: config.caCert ?? variable("GRAFANA_CA_CERT"),
      retries: config.retries ?? numberVariable("GRAFANA_RETRIES", 3),
      retryWait: config.retryWait ?? numberVariable("GRAFANA_RETRY_WAIT", 0),
      httpHeaders: config.httpHeaders ?? headersVariable() ?? {},
    });
  },
  resources: [annotation, dashboard, dataSource, folder, ruleGroup],
});
