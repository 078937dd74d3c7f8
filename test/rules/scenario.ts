import { stringify } from "yaml";

import { promtool } from "./promtool";

/** Samples by series, in promtool's notation: `0+50x360` is a counter that grows by 50 at each of 360 scrapes after the first. */
export type Series = Readonly<Record<string, string>>;

/** Interval of scrapes and evaluations in these tests. */
export const INTERVAL = "5s";

/** Labels that Prometheus adds to everything it scrapes of one replica. */
export const replica = (name: string) =>
  `job="audit-svc",application="audit-svc",environment="vm2",instance="vm2:9145/${name}",release="v1",replica="${name}"`;

export const edge = 'job="nginx",application="audit-svc",environment="vm2",instance="vm2:9145",replica="nginx"';

export const agent = 'job="audit-agent",application="audit-svc",environment="vm2",instance="vm2:9145/agent"';

export const certificate =
  'job="audit-certificate",application="audit-svc",environment="vm2",instance="vm2:9145/certificate",source="files"';

/** Seconds: the series begin at second 0, so a point in time equals the time remaining until it. */
export const DAY = 86_400;
export const GIB = 1024 ** 3;

/** Half an hour of samples. */
const ALWAYS = 360;

function healthyReplica(name: string): Series {
  const of = replica(name);
  const store = 'method="POST",route="/v1/events"';
  return {
    [`up{${of}}`]: `1x${ALWAYS}`,
    [`process_start_time_seconds{${of}}`]: `20x${ALWAYS}`,
    [`http_requests_total{${of},${store},code="201"}`]: `0+50x${ALWAYS}`,
    [`http_requests_total{${of},method="GET",route="/readyz",code="200"}`]: `0+1x${ALWAYS}`,
    [`http_request_duration_seconds_bucket{${of},${store},le="0.005"}`]: `0+50x${ALWAYS}`,
    [`http_request_duration_seconds_bucket{${of},${store},le="0.5"}`]: `0+50x${ALWAYS}`,
    [`http_request_duration_seconds_bucket{${of},${store},le="1"}`]: `0+50x${ALWAYS}`,
    [`http_request_duration_seconds_bucket{${of},${store},le="+Inf"}`]: `0+50x${ALWAYS}`,
    [`audit_db_errors_total{${of},kind="connection"}`]: `0x${ALWAYS}`,
    [`audit_db_errors_total{${of},kind="timeout"}`]: `0x${ALWAYS}`,
    [`audit_db_errors_total{${of},kind="query"}`]: `0x${ALWAYS}`,
    [`audit_config_digest_info{${of},digest="aaa"}`]: `1x${ALWAYS}`,
    [`audit_partitions_end_timestamp_seconds{${of}}`]: `${100 * DAY}x${ALWAYS}`,
    [`audit_database_size_bytes{${of}}`]: `${10 * GIB}x${ALWAYS}`,
    [`audit_log_size{${of}}`]: `1000x${ALWAYS}`,
    [`audit_log_checkpoint_size{${of}}`]: `1000x${ALWAYS}`,
    [`audit_log_checkpoint_timestamp_seconds{${of}}`]: `0+5x${ALWAYS}`,
    [`audit_log_lag_seconds{${of}}`]: `0x${ALWAYS}`,
    [`audit_log_witnessed_size{${of}}`]: `900x${ALWAYS}`,
    [`audit_log_witnessed_timestamp_seconds{${of}}`]: `1x${ALWAYS}`,
    [`audit_config_reloads_total{${of},result="applied"}`]: `1x${ALWAYS}`,
    [`audit_config_reloads_total{${of},result="unchanged"}`]: `0+1x${ALWAYS}`,
    [`audit_config_reloads_total{${of},result="invalid"}`]: `0x${ALWAYS}`,
  };
}

/** Two replicas and the edge, busy and healthy. */
export const HEALTHY: Series = {
  ...healthyReplica("blue-1"),
  ...healthyReplica("blue-2"),
  [`up{${edge}}`]: `1x${ALWAYS}`,
  [`nginx_up{${edge}}`]: `1x${ALWAYS}`,
  [`audit_agent_logged_in{${agent}}`]: `1x${ALWAYS}`,
  [`audit_agent_last_success_timestamp_seconds{${agent}}`]: `0+5x${ALWAYS}`,
  [`audit_agent_token_expiry_timestamp_seconds{${agent}}`]: `3600+5x${ALWAYS}`,
  [`audit_agent_secret_id_expiry_timestamp_seconds{${agent}}`]: `${25 * DAY}x${ALWAYS}`,
  [`audit_edge_certificate_expiry_timestamp_seconds{${certificate}}`]: `${60 * DAY}x${ALWAYS}`,
};

export interface Sample {
  readonly labels: string;
  readonly value: number;
}

/** Expected result of a query at a time after the start of the series. */
export interface Answer {
  readonly expr: string;
  readonly at: string;
  readonly samples: readonly Sample[];
}

/** An alert as it is sent on. */
export interface FiringAlert {
  readonly alert: string;
  readonly at: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

/**
 * Makes promtool evaluate the series and compare the results of queries, exactly.
 *
 * @param rules rules file to evaluate; empty for none
 * @param interval between two samples, and between two evaluations
 * @throws Error with promtool's report of the differences
 */
export async function play(
  rules: string,
  series: Series,
  answers: readonly Answer[],
  alerts: readonly FiringAlert[] = [],
  interval = INTERVAL,
) {
  const test = {
    rule_files: rules === "" ? [] : ["rules.yml"],
    evaluation_interval: interval,
    tests: [
      {
        interval,
        input_series: Object.entries(series).map(([name, values]) => ({ series: name, values })),
        promql_expr_test: answers.map(({ expr, at, samples }) => ({ expr, eval_time: at, exp_samples: samples })),
        alert_rule_test: alerts.map(({ alert, at, labels, annotations }) => ({
          eval_time: at,
          alertname: alert,
          exp_alerts: [{ exp_labels: labels, exp_annotations: annotations }],
        })),
      },
    ],
  };
  await promtool(["test", "rules", "test.yml"], { "rules.yml": rules, "test.yml": stringify(test) });
}

/** The alerts that fire at a time; no others may. */
export function firing(at: string, ...alerts: readonly string[]): Answer {
  return {
    expr: 'group by (alertname) (ALERTS{alertstate="firing"})',
    at,
    samples: alerts.map((alertname) => ({ labels: `{alertname="${alertname}"}`, value: 1 })),
  };
}
