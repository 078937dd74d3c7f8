import { z } from "zod";
import { isLabel } from "../lib/label";
import { engineAddress, httpUrl } from "./addresses";
import { alternatives } from "./alternatives";
import { NAMESPACE } from "./errors";
import { isReserved, NAMESPACE_NAME, RESERVED } from "./names";
import { hint, list, oneOf, optional, texts, type GroupOf } from "./values";

const ofPrometheus = httpUrl({ login: "it comes from AUDIT_PROMETHEUS_USERNAME and AUDIT_PROMETHEUS_PASSWORD" });
const ofGrafana = httpUrl({ login: "it comes from GRAFANA_HTTP_HEADERS" });

const LABELS = 'must be labels, such as {"release": "prometheus"}';

/** Prometheus, alerts and Grafana. */
export const monitoring = {
  prometheusUrl: ofPrometheus.describe(
    "Prometheus as this program reaches it, perhaps below a path; a login for it comes from AUDIT_PROMETHEUS_USERNAME and AUDIT_PROMETHEUS_PASSWORD, or AUDIT_PROMETHEUS_TOKEN.",
  ),
  prometheusDiscovery: oneOf("file", "http", "podMonitor")
    .default("file")
    .describe(
      "How Prometheus learns of the targets. file = files that it reads (file_sd_configs); http = it asks the edge's metrics listener at /targets (http_sd_configs); podMonitor = it runs in the cluster, and its operator reads PodMonitors.",
    ),
  podMonitorNamespace: optional(
    z.string().regex(NAMESPACE_NAME, hint("must be the namespace in which Prometheus runs, such as monitoring")),
  ).describe(
    "Namespace of the Prometheus in the cluster, whose pods have the label app.kubernetes.io/name: prometheus; network policies let it in.",
  ),
  podMonitorLabels: texts(LABELS, [isLabel, LABELS], [(name) => !isReserved(name), RESERVED])
    .default({})
    .describe("Labels by which that Prometheus chooses its PodMonitors."),
  prometheusHost: optional(engineAddress).describe(
    "Where Prometheus reads its files, ssh://user@host[:port] (or unix:///path of a local Docker Engine). Not needed with prometheusDiscovery http and alerts elsewhere.",
  ),
  prometheusSshOptions: list(z.string(), '["-F", "ssh/config"]')
    .default([])
    .describe("Extra options for ssh to prometheusHost."),
  prometheusImage: optional(z.string()).describe(
    "Image with a shell, used to write files through the Docker Engine of prometheusHost, into volumes or directories. Empty = over plain ssh, into directories that the login may write to.",
  ),
  prometheusTargets: optional(z.string()).describe(
    "Directory or Docker volume on prometheusHost that Prometheus reads by file_sd_configs.",
  ),
  alerts: oneOf("prometheus", "grafana", "none")
    .default("prometheus")
    .describe(
      "Where alerts are evaluated. prometheus = there, from a rules file; grafana = by Grafana, as a rule group in the dashboards' folder; none = nowhere.",
    ),
  prometheusRules: optional(z.string()).describe(
    "Directory or Docker volume on prometheusHost that Prometheus reads by rule_files. Needed with alerts prometheus.",
  ),
  prometheusReload: optional(z.string()).describe(
    "Shell line on prometheusHost that makes Prometheus read its rules again, for example `systemctl reload prometheus`. Empty = its lifecycle API (--web.enable-lifecycle) is asked.",
  ),
  // Each alert appends its name as a fragment. A query may contain the token of a share link, and alerts show the
  // address to everybody.
  runbookUrl: z
    .string()
    .regex(
      /^[^\s\p{Cc}@?#]+$/u,
      hint("must be the address of docs/runbook.md as people open it, without a login, query or fragment"),
    )
    .default("docs/runbook.md")
    .describe("Address of docs/runbook.md as people open it, without login, query and fragment; alerts link to it."),
  grafanaUrl: ofGrafana.describe(
    "Grafana as this program reaches it, perhaps below a path; the login comes from GRAFANA_HTTP_HEADERS, the JSON of an Authorization header.",
  ),
  grafanaPublicUrl: optional(ofGrafana).describe("Grafana for its users, in links, when that differs from grafanaUrl."),
  grafanaPrometheusUrl: optional(
    httpUrl({ login: "make the data source in Grafana and name it in audit:grafanaDataSource" }),
  ).describe(
    "Prometheus as Grafana reaches it, without a login, when the program shall make the data source. Empty = use grafanaDataSource.",
  ),
  grafanaDataSource: optional(
    z.string().regex(/^[A-Za-z0-9_-]{1,40}$/, hint("must be the uid of a data source")),
  ).describe("uid of an existing Prometheus data source in Grafana."),
};

/** How Prometheus learns of the targets. */
export const discovery = alternatives(
  monitoring,
  "prometheusDiscovery",
  "by",
  {
    file: { directory: "prometheusTargets" },
    http: {},
    podMonitor: { namespace: "podMonitorNamespace", labels: "podMonitorLabels" },
  },
  { needs: { file: ["prometheusHost"] }, instead: "http" },
);

/** Where the alerts are evaluated. */
export const alerting = alternatives(
  monitoring,
  "alerts",
  "in",
  { prometheus: { directory: "prometheusRules", reload: "prometheusReload?" }, grafana: {}, none: {} },
  { needs: { prometheus: ["prometheusHost"] }, instead: "grafana" },
);

/** Contradictions between these settings, one sentence each. */
export function monitoringContradictions(settings: GroupOf<typeof monitoring>): string[] {
  const problems = [...discovery.missing(settings), ...alerting.missing(settings), ...places(settings)];
  if ((settings.grafanaPrometheusUrl === undefined) === (settings.grafanaDataSource === undefined)) {
    problems.unshift(
      `${NAMESPACE}:grafanaDataSource and ${NAMESPACE}:grafanaPrometheusUrl: set one of them; the first names a data source that exists, the second has one made`,
    );
  }
  return problems;
}

const DIRECTORY = /^\/[A-Za-z0-9_./-]+$/;
const VOLUME = /^[A-Za-z0-9][A-Za-z0-9_.-]*$/;

/** Where Prometheus reads its files must be a directory, or with Docker a volume. */
function places(settings: GroupOf<typeof monitoring>): string[] {
  const { prometheusDiscovery, alerts, prometheusImage } = settings;
  const used = {
    prometheusTargets: prometheusDiscovery === "file" ? settings.prometheusTargets : undefined,
    prometheusRules: alerts === "prometheus" ? settings.prometheusRules : undefined,
  };
  return Object.entries(used).flatMap(([key, place]) => {
    if (place === undefined || DIRECTORY.test(place)) return [];
    if (prometheusImage === undefined) {
      return [
        `${NAMESPACE}:${key} must be an absolute directory, such as /etc/prometheus/targets, or ${NAMESPACE}:prometheusImage must be set, by which a volume is written, not ${place}`,
      ];
    }
    if (VOLUME.test(place)) return [];
    return [`${NAMESPACE}:${key} must be an absolute directory or the name of a Docker volume, not ${place}`];
  });
}
