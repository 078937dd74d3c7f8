import type * as cog from "@grafana/grafana-foundation-sdk/cog";
import * as dashboard from "@grafana/grafana-foundation-sdk/dashboard";
import * as common from "@grafana/grafana-foundation-sdk/common";
import * as units from "@grafana/grafana-foundation-sdk/units";

import { SENDER_LABEL, SERVICE_JOB } from "./metrics";
import {
  IN_OR_OUT,
  type PanelFacts,
  type TimeLeft,
  UP_OR_DOWN,
  bars,
  buckets,
  leftThresholds,
  lines,
  stack,
  states,
  thresholds,
  tiles,
  upThresholds,
} from "./panels";
import { CLIENT_ROUTES, equals, select } from "./promql";

export type Panel = cog.Builder<dashboard.Panel>;

/** Matchers by which the dashboard's variables `environment` and `replica` choose replicas. */
export const SCOPE = [equals("job", SERVICE_JOB), 'environment=~"$environment"', 'replica=~"$replica"'] as const;

const of = (series: string, ...more: readonly string[]) => select(series, ...SCOPE, ...more);
const rate = (series: string, ...more: readonly string[]) => `rate(${of(series, ...more)}[$__rate_interval])`;
const increase = (series: string, ...more: readonly string[]) => `increase(${of(series, ...more)}[$__rate_interval])`;
const percentile = (share: number, series: string, ...more: readonly string[]) =>
  `histogram_quantile(${share}, sum by (le) (${rate(series, ...more)}))`;

/** How far back, and how finely, the status block looks for the last change of `up`. */
const LOOK_BACK = "[24h:15s]";

/**
 * When each replica entered its current state, in milliseconds: the last moment at which its `up` had the other value.
 * If that is before the look-back, a replica that is up counts from its process's start, and one that is down from the
 * first scrape within the look-back.
 */
const sinceWhen = (() => {
  const up = of("up");
  return [
    `1000 * (`,
    `  (max_over_time(timestamp(${up} == 0)${LOOK_BACK}) and ${up} == 1)`,
    `  or (${of("process_start_time_seconds")} and ${up} == 1)`,
    `  or (max_over_time(timestamp(${up} == 1)${LOOK_BACK}) and ${up} == 0)`,
    `  or (min_over_time(timestamp(${up})${LOOK_BACK}) and ${up} == 0)`,
    `)`,
  ].join("\n");
})();

/** The first rows: events per second, response codes and status. */
export function overviewPanels(): Panel[] {
  const events = lines({
    title: "Events per second by application",
    description:
      "Events that were stored and confirmed, by the application that sent them, over all chosen replicas. An application that is in no token of the configuration has no line before its first event.",
    unit: units.EventsPerSecond,
    width: 12,
    queries: [{ expr: `sum by (${SENDER_LABEL}) (${rate("audit_events_total")})`, legend: `{{${SENDER_LABEL}}}` }],
  });
  // The divisor is dropped while it is 0: without responses there is no share, and 0/0 would be drawn as NaN.
  const answers = rate("http_requests_total", CLIENT_ROUTES);
  const codes = stack({
    title: "Share of response codes",
    description:
      "Share of responses to clients by status code; the areas add up to 100. Responses to health probes, scrapes and /reload are excluded. Empty while there are no requests.",
    unit: units.Percent,
    width: 12,
    queries: [
      {
        expr: `100 * sum by (code) (${answers}) / on () group_left () (sum(${answers}) > 0)`,
        legend: "{{code}}",
      },
    ],
  })
    .max(100)
    .overrideByRegexp("/^2../", [shades("green")])
    .overrideByRegexp("/^3../", [shades("blue")])
    .overrideByRegexp("/^4../", [shades("orange")])
    .overrideByRegexp("/^5../", [shades("red")]);
  const status = tiles({
    title: "Status",
    description:
      "Whether Prometheus reached each replica at its last scrape (up), through the edge's metrics listener.",
    unit: units.Short,
    width: 6,
    height: 6,
    queries: [{ expr: of("up"), legend: "{{environment}} {{replica}}" }],
  })
    .mappings(UP_OR_DOWN)
    .thresholds(upThresholds())
    .colorMode(common.BigValueColorMode.BackgroundSolid)
    .noValue("no targets");
  const since = tiles({
    title: "Since when",
    description:
      "How long each replica has been in the state that Status shows: since up last had the other value within 24 hours, otherwise since its process started.",
    unit: units.DateTimeFromNow,
    width: 6,
    height: 6,
    queries: [{ expr: sinceWhen, legend: "{{environment}} {{replica}}" }],
  }).noValue("no targets");
  const history = states({
    title: "Status over time",
    description:
      "up of each replica. A gap means that the replica was no target then: the deployment lists only the replicas that serve.",
    unit: units.Short,
    width: 12,
    height: 6,
    queries: [{ expr: of("up"), legend: "{{environment}} {{replica}} {{release}}" }],
  })
    .mappings(UP_OR_DOWN)
    .thresholds(upThresholds());
  return [events, codes, status, since, history];
}

export function latencyPanels(): Panel[] {
  const percentiles = lines({
    title: "Latency percentiles",
    description:
      "Time from the request's arrival at a replica to its answer, all client routes, over all chosen replicas. Interpolated in the histogram's buckets.",
    unit: units.Seconds,
    width: 8,
    queries: [0.5, 0.95, 0.99].map((share) => ({
      expr: percentile(share, "http_request_duration_seconds_bucket", CLIENT_ROUTES),
      legend: `p${share * 100}`,
    })),
  });
  const heat = buckets({
    title: "Latency heatmap",
    description:
      "Requests by the time they took: each column is a moment, each row a bucket of the histogram, the colour the number of requests.",
    unit: units.Seconds,
    width: 8,
    queries: [
      { expr: `sum by (le) (${increase("http_request_duration_seconds_bucket", CLIENT_ROUTES)})`, legend: "{{le}}" },
    ],
  });
  const byRoute = lines({
    title: "Requests per second by route",
    description: "What clients ask for, by method and route pattern.",
    unit: units.RequestsPerSecond,
    width: 8,
    queries: [
      {
        expr: `sum by (method, route) (${rate("http_requests_total", CLIENT_ROUTES)})`,
        legend: "{{method}} {{route}}",
      },
    ],
  });
  return [percentiles, heat, byRoute];
}

export function ingestionPanels(): Panel[] {
  const queue = lines({
    title: "Ingestion queue",
    description:
      "Events that were received and are not stored yet, by replica. They are answered only after the commit, so a queue is waiting clients, not lost events.",
    unit: units.Short,
    width: 6,
    queries: [{ expr: `sum by (replica) (${of("audit_ingest_queue_depth")})`, legend: "{{replica}}" }],
  });
  const batch = lines({
    title: "Batch size",
    description: "Events stored by one INSERT: the mean and the 95th percentile.",
    unit: units.Short,
    width: 6,
    queries: [
      {
        expr: `sum(${rate("audit_ingest_batch_size_sum")}) / (sum(${rate("audit_ingest_batch_size_count")}) > 0)`,
        legend: "mean",
      },
      { expr: percentile(0.95, "audit_ingest_batch_size_bucket"), legend: "p95" },
    ],
  });
  const pool = lines({
    title: "Database connections",
    description:
      "Connections of all chosen replicas' pools by state. Waiting above zero for long: the pool is too small, or PostgreSQL too slow.",
    unit: units.Short,
    width: 6,
    queries: [{ expr: `sum by (state) (${of("audit_db_pool_connections")})`, legend: "{{state}}" }],
  });
  const errors = bars({
    title: "Database errors",
    description: "Errors from PostgreSQL or from the connection to it, by kind. Clients are told to retry.",
    unit: units.CountsPerSecond,
    width: 6,
    queries: [{ expr: `sum by (kind) (${rate("audit_db_errors_total")})`, legend: "{{kind}}" }],
  });
  return [queue, batch, pool, errors];
}

/** @param loginPerPod whether each pod has a configuration of its own, so that there is nothing to compare */
export function configurationPanels(loginPerPod: boolean): Panel[] {
  const digests = tiles({
    title: "Configurations in force",
    description:
      "Different configuration files that the chosen replicas of an environment run with. If there is more than one for longer than a rotation takes, a reload did not arrive.",
    unit: units.Short,
    width: 4,
    height: 6,
    queries: [
      {
        expr: `count by (environment) (count by (environment, digest) (${of("audit_config_digest_info")} == 1))`,
        legend: "{{environment}}",
      },
    ],
  })
    .thresholds(thresholds([2, "red"]))
    .colorMode(common.BigValueColorMode.Value);
  const lastReload = tiles({
    title: "Configuration read",
    description:
      "When each replica last loaded its configuration file: at its start or by /reload. It is the age of the secret as the replica knows it.",
    unit: units.DateTimeFromNow,
    width: 5,
    height: 6,
    queries: [{ expr: `1000 * ${of("audit_config_last_reload_timestamp_seconds")}`, legend: "{{replica}}" }],
  });
  const generation = lines({
    title: "Configuration generation",
    description:
      "How many configurations each replica has applied since its start. Replicas started at different times differ here and still run the same file.",
    unit: units.Short,
    width: 5,
    height: 6,
    queries: [{ expr: of("audit_config_generation"), legend: "{{replica}} {{release}}" }],
  }).decimals(0);
  const reloads = bars({
    title: "Reloads",
    description: "Reloads of the configuration by result. A failed one leaves the last good configuration in force.",
    unit: units.Short,
    width: 5,
    height: 6,
    queries: [{ expr: `sum by (result) (${increase("audit_config_reloads_total")})`, legend: "{{result}}" }],
  }).decimals(0);
  const releases = tiles({
    title: "Replicas by release",
    description: "Replicas of each release that answer scrapes, with the database schema they found.",
    unit: units.Short,
    width: 5,
    height: 6,
    queries: [
      { expr: `count by (release) (${of("audit_build_info")})`, legend: "release {{release}}" },
      { expr: `max by (environment) (${of("audit_schema_version")})`, legend: "schema version {{environment}}" },
    ],
  });
  return [...(loginPerPod ? [] : [digests]), lastReload, generation, reloads, releases];
}

/** When somebody has to look after the partitions; AuditPartitionsEnding fires at `warning`. */
const PARTITIONS: TimeLeft = { warning: 30 * 86_400, critical: 7 * 86_400 };

export function storagePanels(): Panel[] {
  const size = lines({
    title: "Database size",
    description: "Size of the whole database on disk: events, their indexes, the register of ids.",
    unit: units.BytesIEC,
    width: 8,
    height: 6,
    queries: [{ expr: `max by (environment) (${of("audit_database_size_bytes")})`, legend: "{{environment}}" }],
  });
  const end = of("audit_partitions_end_timestamp_seconds");
  const partitions = left(PARTITIONS, {
    title: "Partitions left",
    description:
      "How far ahead there are partitions for events. The service creates them for three months ahead, at the latest when 60 days are left.",
    queries: [{ expr: `min by (environment) (${end}) - time()`, legend: "{{environment}}" }],
  });
  return [size, partitions];
}

/**
 * When somebody has to look after an agent's token, which is renewed when a third of its hour is left, and after its
 * secret_id.
 */
const TOKEN: TimeLeft = { warning: 600, critical: 120 };
const SECRET_ID: TimeLeft = { warning: 7 * 86_400, critical: 2 * 86_400 };

/**
 * @param inPods whether the Vault Agents run in pods
 * @param certificate when somebody has to look after the edge's certificate; undefined if it has none
 */
export function credentialPanels(inPods: boolean, certificate?: TimeLeft): Panel[] {
  const here = (series: string) => select(series, SCOPE[1]);
  const agents = tiles({
    title: "Vault Agent",
    description:
      "Whether Vault accepts the token of each agent: the service's, and where Vault issues the certificate also the edge's. Out: changed secrets do not arrive.",
    unit: units.Short,
    width: 4,
    height: 6,
    queries: [
      {
        expr: inPods
          ? here("vault_agent_authenticated")
          : // Ignores a metrics file that is no longer written, for example because the agent is gone.
            `${here("audit_agent_logged_in")} * on (instance) (time() - ${here("audit_agent_last_success_timestamp_seconds")} < bool 180)`,
        legend: "{{instance}}",
      },
    ],
  })
    .mappings(IN_OR_OUT)
    .thresholds(upThresholds())
    .colorMode(common.BigValueColorMode.BackgroundSolid)
    .noValue("no targets");
  const token = left(TOKEN, {
    title: "Vault token left",
    description: "How long each agent's token is still valid. It is renewed when a third of its hour is left.",
    queries: [{ expr: `${here("audit_agent_token_expiry_timestamp_seconds")} - time()`, legend: "{{job}}" }],
  });
  const secretId = left(SECRET_ID, {
    title: "secret_id left",
    description:
      "How long each agent can still log in again, for example after a reboot. A deploy issues a new secret_id when half of its lifetime is over.",
    queries: [{ expr: `${here("audit_agent_secret_id_expiry_timestamp_seconds")} - time()`, legend: "{{job}}" }],
  });
  const credentials = inPods ? [agents] : [agents, token, secretId];
  if (certificate === undefined) return credentials;
  const end = here("audit_edge_certificate_expiry_timestamp_seconds");
  const edge = left(certificate, {
    title: "Certificate left",
    description:
      "How long the edge's certificate is still valid, and where it comes from: files (another deploy renews it) or vault (its agent renews it).",
    queries: [{ expr: `${end} - time()`, legend: "{{environment}}, from {{source}}" }],
  });
  return [...credentials, edge];
}

/** A tile with a remaining time. */
function left(limits: TimeLeft, facts: Pick<PanelFacts, "title" | "description" | "queries">): Panel {
  return tiles({ ...facts, unit: units.Seconds, width: 4, height: 6 })
    .thresholds(leftThresholds(limits))
    .colorMode(common.BigValueColorMode.Value);
}

export function processPanels(): Panel[] {
  const cpu = lines({
    title: "CPU",
    description: "Processor cores used by each replica; Node.js runs JavaScript on one.",
    unit: units.PercentUnit,
    width: 8,
    queries: [{ expr: rate("process_cpu_seconds_total"), legend: "{{replica}}" }],
  });
  const memory = lines({
    title: "Memory",
    description: "Resident memory of each replica. The container is killed at its limit.",
    unit: units.BytesIEC,
    width: 8,
    queries: [{ expr: of("process_resident_memory_bytes"), legend: "{{replica}}" }],
  });
  const lag = lines({
    title: "Event loop lag",
    description: "99th percentile of the event loop's delay. Above some 100 ms the replica is overloaded or blocked.",
    unit: units.Seconds,
    width: 8,
    queries: [{ expr: of("nodejs_eventloop_lag_p99_seconds"), legend: "{{replica}}" }],
  });
  return [cpu, memory, lag];
}

function shades(color: string): dashboard.DynamicConfigValue {
  return { id: "color", value: { mode: dashboard.FieldColorModeId.Shades, fixedColor: color } };
}
