/**
 * The names that dashboards and alerts may use. Anything else is not exposed by the service (audit-svc, prom-client's
 * defaults) or by nginx-prometheus-exporter with stub_status, so a query for it would always be empty.
 */

/** `job` label of the service's replicas, as targets() sets it. */
export const SERVICE_JOB = "audit-svc";

/** `job` label of the exporter beside the edge, as targets() sets it. */
export const EDGE_JOB = "nginx";

/** `job` label of the Vault Agents in pods, as components/kubernetes/scripts/targets.sh sets it. */
export const AGENT_JOB = "audit-agent";

/**
 * Label that holds the sending application of an event. The service calls it `application`; the target's own label of that
 * name wins at the scrape, and Prometheus renames the other one so (honor_labels is false by default).
 * See docs/decisions/0040-exported-application.md.
 */
export const SENDER_LABEL = "exported_application";

/** Routes that only probes, scrapes, the agent and the edge call, never a client. */
export const OWN_ROUTES = ["/healthz", "/readyz", "/metrics", "/reload", "/v1/access"] as const;

const histogram = (name: string) => [`${name}_bucket`, `${name}_sum`, `${name}_count`];

/** Series of one replica of the service. */
export const SERVICE_SERIES: readonly string[] = [
  "audit_events_total",
  "http_requests_total",
  ...histogram("http_request_duration_seconds"),
  "audit_ingest_queue_depth",
  ...histogram("audit_ingest_batch_size"),
  "audit_db_pool_connections",
  "audit_db_errors_total",
  "audit_config_generation",
  "audit_config_digest_info",
  "audit_config_last_reload_timestamp_seconds",
  "audit_config_reloads_total",
  "audit_schema_version",
  "audit_database_size_bytes",
  "audit_partitions_end_timestamp_seconds",
  // Only of a service that keeps a log.
  "audit_log_size",
  "audit_log_checkpoint_size",
  "audit_log_checkpoint_timestamp_seconds",
  "audit_log_lag_seconds",
  "audit_log_witnessed_size",
  "audit_log_witnessed_timestamp_seconds",
  "audit_build_info",
  "process_start_time_seconds",
  "process_cpu_seconds_total",
  "process_resident_memory_bytes",
  "nodejs_eventloop_lag_p99_seconds",
];

/** Series of the exporter, version 1.4 and later, reading stub_status. */
export const EDGE_SERIES: readonly string[] = [
  "nginx_up",
  "nginx_connections_accepted",
  "nginx_connections_active",
  "nginx_connections_handled",
  "nginx_connections_reading",
  "nginx_connections_waiting",
  "nginx_connections_writing",
  "nginx_http_requests_total",
];

/** Series that the edge's metrics listener serves at /metrics/certificate, if the edge has a certificate. */
export const CERTIFICATE_SERIES: readonly string[] = ["audit_edge_certificate_expiry_timestamp_seconds"];

/** Series of each Vault Agent on a VM, which the edge's metrics listener serves at /metrics/agent and the like. */
export const AGENT_SERIES: readonly string[] = [
  "audit_agent_logged_in",
  "audit_agent_last_success_timestamp_seconds",
  "audit_agent_token_expiry_timestamp_seconds",
  "audit_agent_secret_id_expiry_timestamp_seconds",
];

/** Series of each Vault Agent in a pod: its own telemetry, which says less. */
export const POD_AGENT_SERIES: readonly string[] = ["vault_agent_authenticated"];

/** Series that Prometheus itself writes for every target. */
export const SCRAPE_SERIES: readonly string[] = ["up"];

/** Every name that a panel, an annotation, a variable or an alert may use. */
export const ALLOWED_SERIES: ReadonlySet<string> = new Set([
  ...SERVICE_SERIES,
  ...EDGE_SERIES,
  ...CERTIFICATE_SERIES,
  ...AGENT_SERIES,
  ...POD_AGENT_SERIES,
  ...SCRAPE_SERIES,
]);
