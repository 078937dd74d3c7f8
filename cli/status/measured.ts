import { EDGE_JOB, SENDER_LABEL, SERVICE_JOB } from "../../dashboards/metrics";
import { CLIENT_ROUTES } from "../../dashboards/promql";
import type { Sample } from "../../lib/prometheus-api";
import { ago, duration } from "../time";
import { bad, definePart, ok, warning, type Line } from "./part";
import { ending } from "./service";

/** Parts that ask Prometheus. A deploy's series have the label `environment`, which `$of` matches. */

const SERVICE = `job="${SERVICE_JOB}",$of`;

export const configuration = definePart({
  title: "config",
  look: async (asked) => {
    const [digests, generations, reloads] = await Promise.all([
      asked.query(`audit_config_digest_info{${SERVICE}} == 1`),
      asked.query(`audit_config_generation{${SERVICE}}`),
      asked.query(`audit_config_last_reload_timestamp_seconds{${SERVICE}}`),
    ]);
    return {
      replicas: digests.map(({ labels: { replica = "?", digest = "?" } }) => ({
        ...{ replica, digest },
        generation: ofReplica(generations, replica),
        reloaded: timeOf(ofReplica(reloads, replica)),
      })),
    };
  },
  lines: ({ replicas }, now) => {
    if (replicas.length === 0) return [warning("no replica says: Prometheus scrapes none")];
    const digests = [...new Set(replicas.map(({ digest }) => digest))];
    const lines = digests.map((digest) => {
      const having = replicas.filter((each) => each.digest === digest);
      const generations = [...new Set(having.map(({ generation }) => generation))].join(", ");
      const latest = having.map(({ reloaded }) => reloaded ?? "").sort().at(-1); // prettier-ignore
      const text = `${digest.slice(0, 12)}, generation ${generations}, in ${having.length} of ${replicas.length} replicas`;
      return `${text}${latest ? `, since ${ago(now, latest)}` : ""}`;
    });
    // For some seconds after a change the replicas differ.
    return lines.map(digests.length === 1 ? ok : warning);
  },
});

const ofReplica = (samples: readonly Sample[], name: string): number | undefined =>
  samples.find(({ labels }) => labels.replica === name)?.value;

/** The time of seconds since 1970; undefined for 0, which stands for never. */
const timeOf = (seconds: number | undefined): string | undefined =>
  seconds ? new Date(seconds * 1000).toISOString() : undefined;

/** Ends that the system puts off by itself; how little is left when something is wrong is as in the alerts. */
const ENDS = [
  ["secret_id", "the secret_id", "audit_agent_secret_id_expiry_timestamp_seconds{$of}", 7 * 86_400],
  ["lease", "the token in Vault", "audit_agent_token_expiry_timestamp_seconds{$of}", 600],
  ["partitions", "the last partition", `min(audit_partitions_end_timestamp_seconds{${SERVICE}})`, 30 * 86_400],
] as const;

export const ends = definePart({
  title: "ends",
  look: async (asked) => ({
    ends: (
      await Promise.all(
        ENDS.map(async ([what, name, expr, little]) =>
          (await asked.query(expr)).flatMap(({ labels, value }) => {
            const end = timeOf(value);
            return end === undefined ? [] : [{ what, name: nameOf(name, labels), end, little }];
          }),
        ),
      )
    ).flat(),
  }),
  lines: ({ ends: all }, now) => {
    if (all.length === 0) return [warning("unknown: Prometheus has no series of the agent and the replicas")];
    const lines = all.map(({ name, end, little }) => ending(name, end, now, little));
    const fine = lines.filter(({ level }) => level === "ok").map(({ text }) => text);
    return [...(fine.length === 0 ? [] : [ok(fine.join("; "))]), ...lines.filter(({ level }) => level !== "ok")];
  },
});

const nameOf = (name: string, { job }: Readonly<Record<string, string>>): string =>
  job === "audit-certificate-agent" ? `${name} (certificate's agent)` : name;

const CLIENTS = `${SERVICE},${CLIENT_ROUTES}`;

export const traffic = definePart({
  title: "traffic",
  look: async (asked) => {
    const one = async (expr: string): Promise<number | undefined> => {
      const value = (await asked.query(expr))[0]?.value;
      return value === undefined || Number.isNaN(value) ? undefined : value;
    };
    const [requests, errorShare, p99, queue, loopLag, logLag] = await Promise.all([
      one(`sum(rate(http_requests_total{${CLIENTS}}[5m]))`),
      one(
        `(sum(rate(http_requests_total{${CLIENTS},code=~"5.."}[5m])) or vector(0)) / (sum(rate(http_requests_total{${CLIENTS}}[5m])) > 0)`,
      ),
      one(`histogram_quantile(0.99, sum by (le) (rate(http_request_duration_seconds_bucket{${CLIENTS}}[5m])))`),
      one(`sum(audit_ingest_queue_depth{${SERVICE}})`),
      one(`max(nodejs_eventloop_lag_p99_seconds{${SERVICE}})`),
      // Of a service that keeps a log that proves itself.
      one(`max(audit_log_lag_seconds{${SERVICE}})`),
    ]);
    return { requests, errorShare, p99, queue, loopLag, logLag };
  },
  lines: ({ requests, errorShare = 0, p99, queue = 0, loopLag, logLag }) => {
    if (requests === undefined) return [warning("unknown: Prometheus has not scraped these replicas twice yet")];
    const share = `${(100 * errorShare).toFixed(errorShare > 0 && errorShare < 0.01 ? 2 : 0)} % errors`;
    const text = [
      `${requests.toFixed(1)} requests/s, ${share} in 5 min`,
      ...(p99 === undefined ? [] : [`p99 ${milliseconds(p99)}`]),
      `queue ${queue}`,
      ...(loopLag === undefined ? [] : [`event loop lag ${milliseconds(loopLag)}`]),
      ...(logLag === undefined ? [] : [`log lag ${duration(logLag)}`]),
    ].join(", ");
    return [errorShare > 0.05 ? bad(text) : errorShare > 0 ? warning(text) : ok(text)];
  },
});

const milliseconds = (seconds: number): string => `${Math.round(seconds * 1000)} ms`;

/** How far back the last event is looked for. */
const HOURS = 6;
const EVENTS = `audit_events_total{${SERVICE}}`;

/** Of what Prometheus counts: reading events would be recorded as a read (docs/decisions/0185). */
export const senders = definePart({
  title: "events",
  look: async (asked) => {
    const [rates, last] = await Promise.all([
      asked.query(`sum by (${SENDER_LABEL}) (rate(${EVENTS}[5m]))`),
      asked.query(
        `max by (${SENDER_LABEL}) (max_over_time((timestamp(${EVENTS}) and increase(${EVENTS}[1m]) > 0)[${HOURS}h:30s]))`,
      ),
    ]);
    const name = ({ labels }: Sample): string => labels[SENDER_LABEL] ?? "?";
    return {
      applications: rates
        .map((sample) => ({
          ...{ application: name(sample), perSecond: sample.value },
          last: timeOf(last.find((each) => name(each) === name(sample))?.value),
        }))
        .sort((a, b) => (a.application < b.application ? -1 : 1)),
      hours: HOURS,
    };
  },
  lines: ({ applications, hours }, now) =>
    applications.length === 0
      ? [warning("unknown: Prometheus has no series of the replicas")]
      : applications.map(({ application, perSecond, last }) =>
          ok(
            `${application}: ${perSecond.toFixed(1)}/s, ${last === undefined ? `none in ${hours} h` : `last ${ago(now, last)}`}`,
          ),
        ),
});

export const targets = definePart({
  title: "targets",
  look: async (asked) => {
    const { environment } = asked.world.values;
    const { targets: all } = await asked.world.prometheus().activeTargets();
    return {
      targets: all
        .filter(({ labels }) => labels.environment === environment)
        .map(({ labels, health, lastError }) => ({
          ...{ job: labels.job ?? "?", instance: labels.instance ?? "?", health },
          ...(lastError === "" ? {} : { error: lastError }),
        })),
    };
  },
  lines: ({ targets: all }): Line[] => {
    const down = all.filter(({ health }) => health !== "up");
    const jobs = new Set(all.map(({ job }) => job));
    const missing = [SERVICE_JOB, EDGE_JOB].filter((job) => !jobs.has(job));
    return [
      ...(all.length === 0 ? [] : [(down.length > 0 ? warning : ok)(`${all.length - down.length} of ${all.length} up`)]),
      ...down.map(({ job, instance, health, error }) => bad(`${job} ${instance} is ${health}: ${error ?? "not scraped yet"}`)),
      ...missing.map((job) => bad(`no target with the job ${job}: docs/runbook.md, AuditServiceNotScraped`)),
    ]; // prettier-ignore
  },
});

/** As Grafana's own API for Prometheus's clients tells it. */
interface InGrafana {
  data?: { alerts?: { labels: Record<string, string>; annotations: Record<string, string>; state: string; activeAt: string }[] };
} // prettier-ignore

export const alerts = definePart({
  title: "alerts",
  look: async (asked) => {
    const { environment, alerts: where } = asked.world.values;
    const active =
      where === "none"
        ? []
        : where === "prometheus"
          ? await asked.world.prometheus().activeAlerts()
          : await inGrafana(await asked.world.grafana("/api/prometheus/grafana/api/v1/alerts"));
    return {
      in: where,
      alerts: active
        .filter(({ labels }) => labels.environment === environment)
        .map(({ labels, annotations, state, activeAt }) => ({
          ...{ name: labels.alertname ?? "?", severity: labels.severity ?? "?", since: activeAt },
          ...{ firing: /^(firing|alerting)/i.test(state), summary: annotations.summary ?? "" },
          of: labels.replica ?? labels.instance,
        })),
    };
  },
  lines: ({ in: where, alerts: all }, now) => {
    if (where === "none") return [ok("none are evaluated (audit:alerts none)")];
    if (all.length === 0) return [ok("none fire")];
    return all.map(({ name, severity, of, firing, since, summary }) =>
      firing
        ? bad(`${name} (${severity}) fires since ${ago(now, since)}: ${summary}`)
        : warning(`${name} (${severity})${of === undefined ? "" : ` of ${of}`} is pending since ${ago(now, since)}`),
    );
  },
});

async function inGrafana(response: Response) {
  if (!response.ok)
    throw new Error(`Grafana (audit:grafanaUrl) answers ${response.status} to the list of alerts; see GRAFANA_AUTH`);
  return ((await response.json()) as InGrafana).data?.alerts?.filter(({ state }) => !/^normal/i.test(state)) ?? [];
}
