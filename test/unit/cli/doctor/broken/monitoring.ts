import { set, type Broken } from "./broken";
import { reply } from "../world";

export const monitoring: Record<string, readonly Broken[]> = {
  "prometheus-answers": [
    {
      what: "it asks for a login",
      change: set("prometheus", { "/api/v1/status/buildinfo": reply("", 401) }),
      found: /another login/,
      cure: /AUDIT_PROMETHEUS_TOKEN/,
    },
    {
      what: "it is something else",
      change: set("prometheus", { "/api/v1/status/buildinfo": reply("<html>", 200) }),
      found: /not as Prometheus does/,
      cure: /audit:prometheusUrl/,
    },
  ],
  "prometheus-job": [
    {
      what: "there is none",
      change: set("prometheus", { "/api/v1/status/config": reply({ data: { yaml: "{}" } }) }),
      found: /no scrape job with file_sd_configs/,
      cure: /audit init/,
    },
    {
      what: "it does not tell, as what only speaks Prometheus's language",
      change: set("prometheus", { "/api/v1/status/config": reply("unsupported path", 404) }),
      found: /^Prometheus answers 404 to \/api\/v1\/status\/config, and not with its configuration$/,
      cure: /audit:prometheusUrl/,
    },
    {
      what: "it may be in a file of its own, which Prometheus does not show",
      change: set("prometheus", {
        "/api/v1/status/config": reply({ data: { yaml: "scrape_config_files: [/etc/jobs/*.yml]" } }),
      }),
      level: "warning",
      found:
        /no scrape job with file_sd_configs; what it reads from \/etc\/jobs\/\*\.yml \(scrape_config_files\), it does not show$/,
      cure: /audit init/,
    },
    {
      what: "it reads another directory",
      settings: { "audit:prometheusTargets": "/elsewhere" },
      level: "warning",
      found: /written to \/elsewhere/,
      cure: /same place/,
    },
    {
      what: "it asks another address",
      settings: { "audit:prometheusDiscovery": "http" },
      found: /no scrape job with http_sd_configs for http:\/\/vm2\.example\.test:9145\/targets$/,
      cure: /audit init/,
    },
  ],
  "prometheus-rules": [
    {
      what: "none are read",
      change: set("prometheus", { "/api/v1/status/config": reply({ data: { yaml: "{}" } }) }),
      found: /no rule_files/,
      cure: /\/etc\/prometheus\/rules\/\*\.yml/,
    },
    {
      what: "those of another directory are",
      settings: { "audit:prometheusRules": "/elsewhere", "audit:prometheusImage": "" },
      found: /written to \/elsewhere/,
      cure: /audit:prometheusRules/,
    },
  ],
  "prometheus-lifecycle": [
    {
      what: "it is off",
      change: set("prometheus", { "/api/v1/status/flags": reply({ data: { "web.enable-lifecycle": "false" } }) }),
      found: /is off/,
      cure: /--web\.enable-lifecycle/,
    },
  ],
  "prometheus-host": [
    {
      what: "a directory may not be written",
      change: (all) => (all.monitoringHost = "/etc/prometheus/rules\n"),
      found: /may not write to \/etc\/prometheus\/rules/,
      cure: /chown/,
    },
    {
      what: "the engine refuses",
      change: (all) => (all.monitoringHost = "docker\n"),
      found: /may not use a Docker Engine/,
      cure: /group docker/,
    },
    {
      what: "the login is refused",
      change: (all) => (all.monitoringHost = new Error("Permission denied")),
      found: /Permission denied/,
      cure: /./,
    },
  ],
  "grafana-answers": [
    {
      what: "it is something else",
      change: set("grafana", { "/api/health": reply("<html>", 404) }),
      found: /answers 404/,
      cure: /audit:grafanaUrl/,
    },
  ],
  "grafana-login": [
    {
      what: "the token has expired",
      change: set("grafana", { "/api/folders?limit=1": reply({}, 401) }),
      found: /refuses the login/,
      cure: /GRAFANA_AUTH/,
    },
  ],
  "grafana-rights": [
    {
      what: "it only views",
      change: set("grafana", { "/api/access-control/user/permissions": reply({ "dashboards:read": [] }) }),
      found: /lacks folders:create, dashboards:create/,
      cure: /role Editor/,
    },
    {
      what: "it makes no data source",
      settings: { "audit:grafanaDataSource": "", "audit:grafanaPrometheusUrl": "http://p:9090" },
      change: set("grafana", {
        "/api/access-control/user/permissions": reply({ "folders:create": [], "dashboards:create": [] }),
      }),
      found: /lacks datasources:create/,
      cure: /role Admin/,
    },
  ],
  "grafana-source": [
    {
      what: "there is none",
      change: set("grafana", { "/api/datasources/uid/prometheus": reply({}, 404) }),
      found: /no data source prometheus/,
      cure: /audit:grafanaDataSource/,
    },
    {
      what: "it is another kind",
      change: set("grafana", { "/api/datasources/uid/prometheus": reply({ type: "loki" }) }),
      found: /of type loki/,
      cure: /Prometheus/,
    },
  ],
};
