import { z } from "zod";
import { engineAddress, httpUrl } from "./addresses";
import { NAMESPACE } from "./errors";
import { hint, list, optional, type GroupOf } from "./values";

const ofPrometheus = httpUrl({ login: "it comes from AUDIT_PROMETHEUS_USERNAME and AUDIT_PROMETHEUS_PASSWORD" });
const ofGrafana = httpUrl({ login: "it comes from GRAFANA_HTTP_HEADERS" });

/** Prometheus, alerts and Grafana. */
export const monitoring = {
  prometheusUrl: ofPrometheus,
  prometheusDiscovery: z.enum(["file", "http"], hint("must be file or http")).default("file"),
  prometheusHost: optional(engineAddress),
  prometheusSshOptions: list(z.string(), '["-F", "ssh/config"]').default([]),
  prometheusImage: optional(z.string()),
  prometheusTargets: optional(z.string()),
  alerts: z.enum(["prometheus", "grafana", "none"], hint("must be prometheus, grafana or none")).default("prometheus"),
  prometheusRules: optional(z.string()),
  prometheusReload: optional(z.string()),
  // An alert's name follows it as a fragment; a query is where share links have their tokens, and alerts show the address to everybody.
  runbookUrl: z
    .string()
    .regex(
      /^[^\s\p{Cc}@?#]+$/u,
      hint("must be the address of docs/runbook.md as people open it, without a login, query or fragment"),
    )
    .default("docs/runbook.md"),
  grafanaUrl: ofGrafana,
  grafanaPublicUrl: optional(ofGrafana),
  grafanaPrometheusUrl: optional(
    httpUrl({ login: "make the data source in Grafana and name it in audit:grafanaDataSource" }),
  ),
  grafanaDataSource: optional(z.string().regex(/^[A-Za-z0-9_-]{1,40}$/, hint("must be the uid of a data source"))),
};

/** What of these settings does not go together, one sentence each. */
export function monitoringContradictions(settings: GroupOf<typeof monitoring>): string[] {
  const problems = missingForPrometheus(settings);
  if ((settings.grafanaPrometheusUrl === undefined) === (settings.grafanaDataSource === undefined)) {
    problems.unshift(
      `${NAMESPACE}:grafanaDataSource and ${NAMESPACE}:grafanaPrometheusUrl: set one of them; the first names a data source that exists, the second has one made`,
    );
  }
  return problems;
}

/** Where Prometheus reads its files must be known when there are files for it. */
function missingForPrometheus(settings: GroupOf<typeof monitoring>): string[] {
  const needs = [
    ...(settings.prometheusDiscovery === "file" ? [["prometheusDiscovery", "file", "prometheusTargets"] as const] : []),
    ...(settings.alerts === "prometheus" ? [["alerts", "prometheus", "prometheusRules"] as const] : []),
  ];
  return needs.flatMap(([key, value, directory]) => {
    const missing = (["prometheusHost", directory] as const).filter((name) => settings[name] === undefined);
    const others = { prometheusDiscovery: "http", alerts: "grafana" }[key];
    return missing.map(
      (name) => `${NAMESPACE}:${name} is missing; set it, or set ${NAMESPACE}:${key} to ${others} instead of ${value}`,
    );
  });
}
