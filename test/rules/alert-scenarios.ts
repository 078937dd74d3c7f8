import { type Answer, DAY, GIB, type Series, agent, certificate, edge, firing, replica } from "./scenario";

export const first = replica("blue-1");
export const second = replica("blue-2");
const store = 'method="POST",route="/v1/events"';
const expiry = `audit_edge_certificate_expiry_timestamp_seconds{${certificate}}`;
const certificateAgent = agent.replaceAll("agent", "certificate-agent");
export const log = (series: string, of = first) => `audit_log_${series}{${of}}`;
export const bucket = (le: string) => `http_request_duration_seconds_bucket{${first},${store},le="${le}"}`;
/** What there is not before the first checkpoint. */
const neverSigned = [first, second].flatMap((of) => [
  log("checkpoint_size", of),
  log("checkpoint_timestamp_seconds", of),
  log("witnessed_size", of),
  log("witnessed_timestamp_seconds", of),
]);

/**
 * A scenario, given by the series that differ from two healthy replicas, including a healthy minute before where that
 * matters.
 */
export interface Scenario {
  readonly name: string;
  readonly series?: Series;
  /** Series that are missing. */
  readonly without?: readonly string[];
  /** Which alerts fire, and when: exactly these at each time. */
  readonly then: readonly Answer[];
}

/** For each alert what makes it fire, and what only looks like it. */
export const scenarios: Scenario[] = [
  { name: "all is well", then: [firing("1m"), firing("10m"), firing("30m")] },
  {
    name: "both replicas stop: known within 30 seconds",
    series: { [`up{${first}}`]: "1x12 0x300", [`up{${second}}`]: "1x12 0x300" },
    then: [firing("1m"), firing("1m30s", "AuditServiceDown"), firing("10m", "AuditServiceDown")],
  },
  {
    name: "both replicas stop for one scrape",
    series: { [`up{${first}}`]: "1x12 0 1x300", [`up{${second}}`]: "1x12 0 1x300" },
    then: [firing("1m5s"), firing("1m10s"), firing("2m")],
  },
  {
    name: "Prometheus has no targets",
    without: [`up{${first}}`, `up{${second}}`],
    then: [firing("1m55s"), firing("2m5s", "AuditServiceNotScraped")],
  },
  {
    name: "one of two replicas stops",
    series: { [`up{${first}}`]: "1x12 0x300" },
    then: [firing("2m"), firing("2m10s", "AuditReplicaDown")],
  },
  {
    name: "a deployment takes the old replica away within a minute",
    series: { [`up{${first}}`]: "1x12 0x8 stale" },
    then: [firing("2m"), firing("5m")],
  },
  {
    name: "a replica restarts three times",
    series: { [`process_start_time_seconds{${first}}`]: "20x11 60x11 120x11 180x300" },
    then: [firing("2m50s"), firing("3m10s", "AuditReplicaRestarting"), firing("20m")],
  },
  {
    name: "9 % of the answers are errors",
    series: { [`http_requests_total{${first},method="GET",route="/v1/events/export",code="500"}`]: "0+10x360" },
    then: [firing("2m"), firing("2m30s", "AuditErrorShare")],
  },
  {
    name: "4 % of the answers are errors",
    series: { [`http_requests_total{${first},method="GET",route="/v1/events/export",code="500"}`]: "0+4x360" },
    then: [firing("10m")],
  },
  {
    name: "2 of 100 events take longer than half a second",
    series: { [bucket("0.005")]: "0+48x360", [bucket("0.5")]: "0+48x360" },
    then: [firing("5m"), firing("5m30s", "AuditLatency")],
  },
  {
    name: "the queue is full for some",
    series: { [`http_requests_total{${first},${store},code="503"}`]: "0+1x360" },
    then: [firing("1m"), firing("1m30s", "AuditEventsRefused")],
  },
  {
    name: "a limit is reached by many: refused, and not the senders' fault",
    series: { [`http_requests_total{${first},${store},code="429"}`]: "0+50x360" },
    then: [firing("1m30s", "AuditEventsRefused"), firing("15m", "AuditEventsRefused")],
  },
  {
    name: "a sender has a wrong token",
    series: { [`http_requests_total{${first},${store},code="401"}`]: "0+20x360" },
    then: [firing("10m"), firing("10m30s", "AuditEventsRejected")],
  },
  {
    name: "the database is away under load",
    series: { [`audit_db_errors_total{${first},kind="connection"}`]: "0+1x360" },
    then: [firing("2m"), firing("2m30s", "AuditDatabaseAway")],
  },
  {
    name: "the database answers too late",
    series: { [`audit_db_errors_total{${first},kind="timeout"}`]: "0+1x360" },
    then: [firing("2m30s", "AuditDatabaseAway")],
  },
  {
    name: "the database is away and nobody sends",
    series: { [`http_requests_total{${first},method="GET",route="/readyz",code="503"}`]: "0+1x360" },
    then: [firing("2m"), firing("2m30s", "AuditDatabaseAway")],
  },
  {
    name: "the database is away, and nobody sends or asks: one error in 70 seconds",
    series: {
      [`audit_db_errors_total{${first},kind="connection"}`]: Array.from({ length: 26 }, (_, n) => `${n}x13`).join(" "),
    },
    then: ["3m30s", "5m", "10m", "10m40s"].map((at) => firing(at, "AuditDatabaseAway")),
  },
  {
    name: "PostgreSQL restarts, and closes the idle connections",
    series: { [`audit_db_errors_total{${first},kind="connection"}`]: "0x12 5x348" },
    then: ["1m30s", "2m", "2m30s", "3m", "3m30s", "5m"].map((at) => firing(at)),
  },
  {
    name: "a partition is missing",
    series: { [`audit_db_errors_total{${first},kind="query"}`]: "0+1x360" },
    then: [firing("2m"), firing("2m30s", "AuditDatabaseRefuses")],
  },
  {
    name: "a changed secret reaches only one of two replicas",
    series: {
      [`audit_config_digest_info{${first},digest="aaa"}`]: "1x12 stale",
      [`audit_config_digest_info{${first},digest="bbb"}`]: "_x13 1x300",
    },
    then: [firing("3m"), firing("3m10s", "AuditConfigNotEverywhere")],
  },
  {
    name: "a changed secret reaches both replicas within a minute",
    series: {
      [`audit_config_digest_info{${first},digest="aaa"}`]: "1x12 stale",
      [`audit_config_digest_info{${first},digest="bbb"}`]: "_x13 1x300",
      [`audit_config_digest_info{${second},digest="aaa"}`]: "1x22 stale",
      [`audit_config_digest_info{${second},digest="bbb"}`]: "_x23 1x300",
    },
    then: [firing("2m"), firing("5m")],
  },
  {
    name: "a replica refuses a new configuration",
    series: { [`audit_config_reloads_total{${first},result="invalid"}`]: "0x12 1x300" },
    then: [firing("1m"), firing("1m10s", "AuditReloadFailing"), firing("12m")],
  },
  {
    name: "nginx does not answer its exporter",
    series: { [`nginx_up{${edge}}`]: "1x12 0x300" },
    then: [firing("1m30s"), firing("1m40s", "AuditEdgeDown")],
  },
  {
    name: "the exporter is away",
    series: { [`up{${edge}}`]: "1x12 0x300", [`nginx_up{${edge}}`]: "1x12 stale" },
    then: [firing("2m"), firing("2m10s", "AuditEdgeNotScraped")],
  },
  {
    name: "the exporter is no target",
    without: [`up{${edge}}`, `nginx_up{${edge}}`],
    then: [firing("50s"), firing("1m5s", "AuditEdgeNotScraped")],
  },
  {
    name: "a replica found partitions for three weeks only",
    series: { [`audit_partitions_end_timestamp_seconds{${first}}`]: `${21 * DAY}x360` },
    then: [firing("14m"), firing("15m10s", "AuditPartitionsEnding")],
  },
  {
    name: "the database takes up more than nine tenths of its room",
    series: { [`audit_database_size_bytes{${first}}`]: `${91 * GIB}x360` },
    then: [firing("14m"), firing("15m10s", "AuditDatabaseFull")],
  },
  {
    name: "the database has been growing fast for less than six hours: too early to judge",
    series: { [`audit_database_size_bytes{${first}}`]: `${10 * GIB}+${GIB / 100}x360` },
    then: [firing("10m"), firing("30m")],
  },
  {
    name: "events stand still before the log",
    series: { [log("lag_seconds")]: "1x12 0+5x340" },
    then: [firing("2m"), firing("4m20s", "AuditLogBehind"), firing("20m", "AuditLogBehind")],
  },
  {
    name: "an open transaction holds the log up for a minute",
    series: { [log("lag_seconds")]: "1x12 0+5x20 1x328" },
    then: [firing("2m40s"), firing("10m")],
  },
  {
    name: "Vault signs no checkpoint",
    series: {
      [log("size")]: "1000+10x360",
      [log("checkpoint_size")]: "1000+10x12 1120x348",
      ...Object.fromEntries([first, second].map((of) => [log("checkpoint_timestamp_seconds", of), "0+5x12 60x348"])),
      [log("lag_seconds")]: "1x12 0+5x348",
    },
    then: [firing("2m"), firing("10m", "AuditLogBehind"), firing("17m30s", "AuditLogBehind", "AuditLogUnsigned")],
  },
  {
    name: "Vault has never signed a checkpoint",
    without: neverSigned,
    series: {
      ...Object.fromEntries([first, second].map((of) => [log("size", of), "_x12 10x348"])),
      ...Object.fromEntries([first, second].map((of) => [log("lag_seconds", of), "0x12 0+5x348"])),
    },
    then: [
      firing("10m", "AuditLogBehind"),
      firing("16m30s", "AuditLogBehind"),
      firing("17m30s", "AuditLogBehind", "AuditLogUnsigned"),
    ],
  },
  {
    name: "many events of before are taken in: the first checkpoint needs some minutes",
    without: neverSigned,
    series: Object.fromEntries([first, second].map((of) => [log("lag_seconds", of), `${30 * DAY}x120 0x240`])),
    then: [firing("10m", "AuditLogBehind"), firing("14m")],
  },
  {
    name: "nobody sends events, so nothing is signed",
    series: Object.fromEntries([first, second].map((of) => [log("checkpoint_timestamp_seconds", of), "1x360"])),
    then: [firing("30m")],
  },
  {
    name: "the agent's container is gone: its figures stay as they were",
    series: { [`audit_agent_last_success_timestamp_seconds{${agent}}`]: "0+5x12 60x348" },
    then: [firing("4m30s"), firing("5m20s", "AuditAgentLoggedOut")],
  },
  {
    name: "Vault does not take the agent's token for a minute",
    series: {
      [`audit_agent_logged_in{${agent}}`]: "1x12 0x12 1x336",
      [`audit_agent_last_success_timestamp_seconds{${agent}}`]: "0+5x12 60x12 125+5x336",
    },
    then: [firing("2m"), firing("10m")],
  },
  {
    name: "the agent does not renew its token",
    series: { [`audit_agent_token_expiry_timestamp_seconds{${agent}}`]: "1200x360" },
    then: [firing("10m30s"), firing("11m10s", "AuditAgentTokenEnding")],
  },
  {
    name: "the agent has no token yet",
    series: { [`audit_agent_token_expiry_timestamp_seconds{${agent}}`]: "0x360" },
    then: [firing("10m")],
  },
  {
    name: "the secret_id ends within a week",
    series: { [`audit_agent_secret_id_expiry_timestamp_seconds{${agent}}`]: `${6 * DAY}x360` },
    then: [firing("14m"), firing("15m10s", "AuditSecretIdEnding")],
  },
  {
    name: "nobody says how the agent is logged in",
    without: [`audit_agent_logged_in{${agent}}`],
    then: [firing("4m"), firing("5m10s", "AuditAgentNotScraped")],
  },
  {
    name: "one of two agents, the service's, does not say how it is logged in",
    without: [`audit_agent_logged_in{${agent}}`, `audit_agent_last_success_timestamp_seconds{${agent}}`],
    series: {
      [`up{${agent}}`]: "0x360",
      [`up{${certificateAgent}}`]: "1x360",
      [`audit_agent_logged_in{${certificateAgent}}`]: "1x360",
      [`audit_agent_last_success_timestamp_seconds{${certificateAgent}}`]: "0+5x360",
    },
    then: [firing("4m"), firing("5m10s", "AuditAgentNotScraped")],
  },
  {
    name: "the certificate ends within a fortnight",
    series: { [expiry]: `${13 * DAY}x360` },
    then: [firing("4m"), firing("5m10s", "AuditCertificateEndsSoon")],
  },
  {
    name: "the certificate ends tomorrow",
    series: { [expiry]: `${DAY}x360` },
    then: [firing("1m", "AuditCertificateEnds"), firing("20m", "AuditCertificateEnds")],
  },
  {
    name: "the certificate has ended",
    series: { [expiry]: "60x360" },
    then: [firing("10m", "AuditCertificateEnds")],
  },
  {
    name: "nobody says when the certificate ends",
    without: [expiry],
    then: [firing("4m"), firing("5m10s", "AuditCertificateNotScraped")],
  },
  {
    name: "another environment is down",
    series: { [`up{${first}}`.replace("vm2", "test")]: "0x360", [`nginx_up{${edge}}`.replace("vm2", "test")]: "0x360" },
    then: [firing("10m")],
  },
];
