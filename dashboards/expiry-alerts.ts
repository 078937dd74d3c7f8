import type { Alert, AlertOptions } from "./alert";
import { AGENT_JOB, SERVICE_JOB } from "./metrics";
import { equals, select } from "./promql";
import { UserError } from "../lib/user-error";

/** How many days ahead the database's size is predicted: a long weekend plus one day. */
const DAYS_AHEAD = 4;

/** Alerts about room for future events: partitions and, if the limit is known, disk. */
export function storageAlerts({ environment, databaseLimit }: AlertOptions): Alert[] {
  if (databaseLimit !== undefined && !(databaseLimit > 0))
    throw new UserError(`databaseLimit must be above 0, not ${databaseLimit}.`);
  const known = (by: "min" | "max", series: string, modifier = "") =>
    `${by} by (environment) (${select(series, equals("job", SERVICE_JOB), equals("environment", environment))}${modifier})`;
  const size = known("max", "audit_database_size_bytes");
  return [
    {
      name: "AuditPartitionsEnding",
      expr: `${known("min", "audit_partitions_end_timestamp_seconds")} - time() < 30 * 86400`,
      for: "15m",
      severity: "warning",
      summary: "The database has partitions for only {{ $value | humanizeDuration }} in {{ $labels.environment }}",
      description:
        "The service should have created the partitions of the coming months when less than 60 days were left. Events of a month without a partition are refused.",
    },
    ...(databaseLimit === undefined
      ? []
      : [
          {
            name: "AuditDatabaseFull",
            // Over all replicas, because their series start again with each release; and only once there are six hours
            // of data.
            expr: [
              `${size} > ${0.9 * databaseLimit}`,
              `  or (predict_linear((${size})[6h:5m], ${DAYS_AHEAD} * 86400) > ${databaseLimit} and ${known("max", "audit_database_size_bytes", " offset 6h")})`,
            ].join("\n"),
            for: "15m",
            severity: "warning" as const,
            summary: "The database of {{ $labels.environment }} will soon be full",
            description: `It has reached nine tenths of ${gigabytes(databaseLimit)}, or will exceed the limit within ${DAYS_AHEAD} days at the rate of the last six hours: {{ $value | humanize1024 }}B.`,
          },
        ]),
  ];
}

function gigabytes(bytes: number): string {
  return `${Math.round((bytes / 1024 ** 3) * 10) / 10} GiB`;
}

/** Alerts about the remaining validity of the edge's certificate. */
export function certificateAlerts({ environment, certificate }: AlertOptions): Alert[] {
  if (certificate === undefined) return [];
  const { warning, critical } = certificate;
  if (!(warning > critical && critical > 0))
    throw new UserError(`certificate.warning must be above certificate.critical, and both above 0.`);
  const end = select("audit_edge_certificate_expiry_timestamp_seconds", equals("environment", environment));
  const left = `${end} - time()`;
  const summary = "The edge's certificate ends in {{ $value | humanizeDuration }} in {{ $labels.environment }}";
  const renewal =
    'From files (source="files") it is renewed by another deploy; from Vault (source="vault") its agent should have renewed it by now.';
  return [
    {
      name: "AuditCertificateEnds",
      expr: `${left} < ${critical}`,
      for: "0s",
      severity: "critical",
      summary,
      description: `After that every client refuses the connection. ${renewal}`,
    },
    {
      name: "AuditCertificateEndsSoon",
      expr: `${left} < ${warning} >= ${critical}`,
      for: "5m",
      severity: "warning",
      summary,
      description: renewal,
    },
    {
      name: "AuditCertificateNotScraped",
      expr: `absent(${end})`,
      for: "5m",
      severity: "warning",
      summary: `Prometheus does not know when the edge's certificate ends in ${environment}`,
      description:
        "The two alerts about its expiry cannot fire. The edge's metrics listener serves it at /metrics/certificate.",
    },
  ];
}

/** Alerts about the Vault Agents on a VM: whether they are logged in, and for how long they can stay so. */
export function agentAlerts({ environment }: AlertOptions): Alert[] {
  const agent = (series: string) => select(`audit_agent_${series}`, equals("environment", environment));
  return [
    {
      name: "AuditAgentLoggedOut",
      // Not audit_agent_logged_in: when the agent's container is gone, the metrics file keeps its last values.
      expr: `time() - ${agent("last_success_timestamp_seconds")} > 180`,
      for: "1m",
      severity: "critical",
      summary: "Vault Agent is not logged in to Vault in {{ $labels.environment }} ({{ $labels.instance }})",
      description:
        "It is not running, Vault does not answer, or Vault accepts neither its token nor its secret_id. What it has rendered stays in force; changed secrets and new certificates do not arrive.",
    },
    {
      name: "AuditAgentTokenEnding",
      // The token is renewed at the latest when a third of its hour is left; 0 means that there is none yet.
      expr: `(${agent("token_expiry_timestamp_seconds")} > 0) - time() < 600`,
      for: "1m",
      severity: "warning",
      summary: "The token of Vault Agent ends in {{ $value | humanizeDuration }} in {{ $labels.environment }}",
      description:
        "The agent ({{ $labels.instance }}) should have renewed it by now. After that it logs in again, if its secret_id is still valid.",
    },
    {
      name: "AuditSecretIdEnding",
      expr: `(${agent("secret_id_expiry_timestamp_seconds")} > 0) - time() < 7 * 86400`,
      for: "15m",
      severity: "warning",
      summary: "The secret_id of Vault Agent ends in {{ $value | humanizeDuration }} in {{ $labels.environment }}",
      description:
        "After that the agent ({{ $labels.instance }}) cannot log in again when it has to, for example after a reboot. A deploy issues a new one.",
    },
    {
      name: "AuditAgentNotScraped",
      // By `up` as well: with two agents, that of the certificate tells nothing of the service's.
      expr: `${select("up", 'job=~"audit-(certificate-)?agent"', equals("environment", environment))} == 0 or absent(${agent("logged_in")})`,
      for: "5m",
      severity: "warning",
      summary: `Prometheus does not know whether Vault Agent is logged in in ${environment}`,
      description: "The alerts about the agents cannot fire. The edge's metrics listener serves it at /metrics/agent.",
    },
  ];
}

/**
 * The same about the agents in pods. They have no secret_id, and their own telemetry, which is all there is of them, does
 * not say when a token ends.
 */
export function podAgentAlerts({ environment }: AlertOptions): Alert[] {
  const agent = (series: string) => select(series, equals("job", AGENT_JOB), equals("environment", environment));
  const pod = "{{ $labels.environment }} ({{ $labels.replica }})";
  return [
    {
      name: "AuditAgentLoggedOut",
      expr: `${agent("vault_agent_authenticated")} == 0`,
      for: "1m",
      severity: "critical",
      summary: `Vault Agent is not logged in to Vault in ${pod}`,
      description:
        "Vault does not renew its token, or does not let it log in again. What it has rendered stays in force; changed secrets and new certificates do not arrive, and a new pod does not start.",
    },
    {
      name: "AuditAgentNotScraped",
      expr: `${agent("up")} == 0 or absent(${agent("vault_agent_authenticated")})`,
      for: "5m",
      severity: "warning",
      summary: `Prometheus does not know whether Vault Agent is logged in in ${environment}`,
      description: "The agent of a pod does not run, or Prometheus does not reach it; the alert about it cannot fire.",
    },
  ];
}
