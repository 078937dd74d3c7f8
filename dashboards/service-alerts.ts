import type { Alert, AlertOptions } from "./alert";
import { EDGE_JOB, SERVICE_JOB } from "./metrics";
import { CLIENT_ROUTES, INGEST_ROUTE, equals, select } from "./promql";
import { UserError } from "../lib/user-error";

/** Selectors and rates of one environment. */
function of(environment: string) {
  const here = equals("environment", environment);
  const service = (series: string, ...more: readonly string[]) =>
    select(series, equals("job", SERVICE_JOB), here, ...more);
  return {
    service,
    edge: (series: string) => select(series, equals("job", EDGE_JOB), here),
    sum: (series: string, ...more: readonly string[]) => `sum by (environment) (rate(${service(series, ...more)}[5m]))`,
  };
}

/** Alerts about whether, how, and how fast the service answers. */
export function serviceAlerts({ environment, errorShare = 0.05, latencySeconds = 0.5 }: AlertOptions): Alert[] {
  if (!(errorShare > 0 && errorShare < 1))
    throw new UserError(`errorShare must be above 0 and below 1, not ${errorShare}.`);
  if (!(latencySeconds > 0)) throw new UserError(`latencySeconds must be above 0, not ${latencySeconds}.`);
  const { service, sum } = of(environment);
  return [
    {
      name: "AuditServiceDown",
      expr: `sum by (environment) (${service("up")}) == 0`,
      for: "10s",
      severity: "critical",
      summary: "No replica of the audit service answers in {{ $labels.environment }}",
      description:
        "Prometheus reaches none of the replicas through the edge's metrics listener. Events are probably not being accepted.",
    },
    {
      name: "AuditServiceNotScraped",
      expr: `absent(${service("up")})`,
      for: "2m",
      severity: "critical",
      summary: `Prometheus has no target of the audit service in ${environment}`,
      description:
        "The targets file is missing, empty, or not read by any scrape job. No other alert of the service can fire.",
    },
    {
      name: "AuditReplicaDown",
      expr: `${service("up")} == 0 unless on (environment) (sum by (environment) (${service("up")}) == 0)`,
      for: "1m",
      severity: "warning",
      summary: "Replica {{ $labels.replica }} of the audit service is down in {{ $labels.environment }}",
      description: "The others carry its load. Release {{ $labels.release }}.",
    },
    {
      name: "AuditReplicaRestarting",
      expr: `changes(${service("process_start_time_seconds")}[15m]) > 2`,
      for: "0s",
      severity: "warning",
      summary: "Replica {{ $labels.replica }} of the audit service keeps restarting in {{ $labels.environment }}",
      description: "Its process restarted {{ $value }} times within 15 minutes.",
    },
    {
      name: "AuditErrorShare",
      expr: `${sum("http_requests_total", CLIENT_ROUTES, 'code=~"5.."')}\n  / ${sum("http_requests_total", CLIENT_ROUTES)} > ${errorShare}`,
      for: "2m",
      severity: "critical",
      summary:
        "{{ $value | humanizePercentage }} of the audit service's answers are errors in {{ $labels.environment }}",
      description: `More than ${errorShare * 100} % of the answers to clients within 5 minutes had a 5xx code.`,
    },
    {
      name: "AuditLatency",
      expr: `histogram_quantile(0.99, sum by (environment, le) (rate(${service("http_request_duration_seconds_bucket", ...INGEST_ROUTE)}[5m]))) > ${latencySeconds}`,
      for: "5m",
      severity: "warning",
      summary: "Storing audit events is slow in {{ $labels.environment }}: p99 {{ $value | humanizeDuration }}",
      description: `One request of a hundred took longer than ${latencySeconds} s over the last 5 minutes.`,
    },
    {
      name: "AuditEventsRefused",
      expr: `${sum("http_requests_total", ...INGEST_ROUTE, 'code=~"429|503"')} > 0`,
      for: "1m",
      severity: "warning",
      summary: "The audit service refuses events in {{ $labels.environment }}",
      description:
        "{{ $value | humanize }} requests per second are answered 429 or 503: the queue is full, a limit is reached, or the database is unreachable. Senders must retry.",
    },
    {
      name: "AuditEventsRejected",
      expr: `${sum("http_requests_total", ...INGEST_ROUTE, 'code=~"4..",code!="429"')}\n  / ${sum("http_requests_total", ...INGEST_ROUTE)} > 0.1`,
      for: "10m",
      severity: "warning",
      summary:
        "{{ $value | humanizePercentage }} of the requests with audit events are faulty in {{ $labels.environment }}",
      description:
        "A sender uses a wrong token or a wrong format. Its events are not stored, and sending them again unchanged does not help.",
    },
  ];
}

/** Alerts about whether the database answers and accepts the service's statements. */
export function databaseAlerts({ environment }: AlertOptions): Alert[] {
  const { service } = of(environment);
  return [
    {
      name: "AuditDatabaseAway",
      expr: [
        `sum by (environment, replica) (rate(${service("audit_db_errors_total", 'kind=~"connection|timeout"')}[2m])) > 0`,
        // Without traffic on a VM the one error is that of the service asking for the database's size, once a minute
        // or a scrape later: a shorter look back would lose it in between. On a cluster the pods' probes call /readyz.
        `  or sum by (environment, replica) (rate(${service("http_requests_total", 'route="/readyz"', 'code="503"')}[2m])) > 0`,
      ].join("\n"),
      // As long as the rate looks back: one error, as when PostgreSQL restarts or a pooler closes an idle connection, is none.
      for: "2m",
      severity: "critical",
      summary:
        "Replica {{ $labels.replica }} of the audit service does not reach its database in {{ $labels.environment }}",
      description:
        "Connections to PostgreSQL fail or time out, or the replica says that it is not ready. Events wait in the queue and are then refused.",
    },
    {
      name: "AuditDatabaseRefuses",
      expr: `sum by (environment) (rate(${service("audit_db_errors_total", 'kind="query"')}[5m])) > 0`,
      for: "2m",
      severity: "critical",
      summary: "PostgreSQL refuses the audit service's statements in {{ $labels.environment }}",
      description:
        "{{ $value | humanize }} statements per second fail for a reason that a retry does not fix: a missing partition, a missing right, another schema, a full disk.",
    },
  ];
}

/** Alerts about whether every replica runs with the intended configuration. */
export function configurationAlerts({ environment, loginPerPod = false }: AlertOptions): Alert[] {
  const { service } = of(environment);
  return [
    ...(loginPerPod
      ? []
      : [
          {
            name: "AuditConfigNotEverywhere",
            expr: `count by (environment) (count by (environment, digest) (${service("audit_config_digest_info")} == 1)) > 1`,
            for: "2m",
            severity: "critical" as const,
            summary:
              "The audit service's replicas run with {{ $value }} different configurations in {{ $labels.environment }}",
            description:
              "A changed secret did not reach every replica. Those with the old one fail as soon as the old credentials are withdrawn.",
          },
        ]),
    {
      name: "AuditReloadFailing",
      expr: `sum by (environment, replica) (increase(${service("audit_config_reloads_total", 'result!~"applied|unchanged"')}[10m])) > 0`,
      for: "0s",
      severity: "warning",
      summary:
        "Replica {{ $labels.replica }} of the audit service refused a new configuration in {{ $labels.environment }}",
      description: "The last good configuration stays in force on it.",
    },
  ];
}

/** Alerts about whether nginx runs and is monitored. */
export function edgeAlerts({ environment }: AlertOptions): Alert[] {
  const { edge } = of(environment);
  return [
    {
      name: "AuditEdgeDown",
      expr: `${edge("nginx_up")} == 0`,
      for: "30s",
      severity: "critical",
      summary: "The exporter cannot read nginx's status in {{ $labels.environment }}",
      description:
        "nginx is gone or does not answer on its status page. If the service's replicas are up, clients can no longer reach them.",
    },
    {
      name: "AuditEdgeNotScraped",
      expr: `${edge("up")} == 0 or absent(${edge("up")})`,
      for: "1m",
      severity: "warning",
      summary: `Prometheus does not reach the nginx exporter in ${environment}`,
      description: "The exporter or the edge's metrics listener is down, or the targets file does not list it.",
    },
  ];
}
