import type { History } from "./prometheus-with-history.js";

const APPLICATIONS = { billing: 42, crm: 18, "web-shop": 7 };
const CODES = { "201": 0.93, "200": 0.04, "400": 0.018, "401": 0.007, "503": 0.005 };
const BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, Infinity];
/** Share of the requests that are at most as slow as each bucket's end. */
const SHARES = [0.28, 0.55, 0.8, 0.91, 0.965, 0.985, 0.995, 0.999, 1];

/** How busy the invented service is at a minute: it swings, and there is one short storm. */
function load(minutes: number): number {
  return 1 + 0.35 * Math.sin(minutes / 6) + (minutes > 38 && minutes < 42 ? 1.4 : 0);
}

/** The sum of {@link load} up to a minute, in seconds of normal load: what a counter has counted. */
function loadSince(from: number, to: number): number {
  let sum = 0;
  for (let minute = from; minute < to; minute += 0.25) sum += load(minute) * 15;
  return sum;
}

/** Two replicas of an audit service for an hour; the second was replaced by a newer release at minute 25 and was away for two minutes at 45. */
export function auditHistory(): History[] {
  const replicas = [
    { replica: "blue-1", release: "1.4.0", from: 0, until: 25 },
    { replica: "green-1", release: "1.5.0", from: 25, until: Infinity },
    { replica: "green-2", release: "1.5.0", from: 25, until: Infinity },
  ];
  const series: History[] = [];
  const started = Math.floor(Date.now() / 1000) - 3600;
  for (const { replica, release, from, until } of replicas) {
    const labels = {
      job: "audit-svc",
      application: "audit-svc",
      environment: "sandbox",
      replica,
      release,
      instance: `edge:9145/${replica}`,
    };
    const isAway = (minute: number) => replica === "green-2" && minute >= 45 && minute < 47;
    const present = (at: (minute: number) => number) => (minute: number) =>
      minute < from || minute >= until || isAway(minute) ? undefined : at(minute);
    // After its absence the replica counts from zero: rates must not show a fall.
    const counted = (rate: number) =>
      present(
        (minute) => Math.round(rate * loadSince(replica === "green-2" && minute >= 47 ? 47 : from, minute) * 100) / 100,
      );
    const gauge = (name: string, more: Record<string, string>, at: (minute: number) => number) =>
      series.push({ name, type: "gauge", labels: { ...labels, ...more }, at: present(at) });
    series.push({
      name: "up",
      type: "gauge",
      labels,
      at: (minute) => (minute < from || minute >= until ? undefined : isAway(minute) ? 0 : 1),
    });
    for (const [sender, rate] of Object.entries(APPLICATIONS)) {
      series.push({
        name: "audit_events_total",
        type: "counter",
        labels: { ...labels, exported_application: sender },
        at: counted(rate / 2),
      });
    }
    for (const [code, share] of Object.entries(CODES)) {
      const route = code === "200" ? { method: "GET", route: "/v1/events" } : { method: "POST", route: "/v1/events" };
      series.push({
        name: "http_requests_total",
        type: "counter",
        labels: { ...labels, ...route, code },
        at: counted(34 * share),
      });
    }
    BUCKETS.forEach((end, index) => {
      const le = end === Infinity ? "+Inf" : String(end);
      const more = { method: "POST", route: "/v1/events", le };
      series.push({
        name: "http_request_duration_seconds_bucket",
        type: "histogram",
        labels: { ...labels, ...more },
        at: counted(34 * (SHARES[index] ?? 1)),
      });
    });
    for (const [suffix, rate] of [
      ["count", 34],
      ["sum", 0.7],
    ] as const) {
      series.push({
        name: `http_request_duration_seconds_${suffix}`,
        type: "histogram",
        labels: { ...labels, method: "POST", route: "/v1/events" },
        at: counted(rate),
      });
    }
    gauge("audit_ingest_queue_depth", {}, (minute) =>
      Math.max(0, Math.round(12 * load(minute) - 8 + 3 * Math.sin(minute * 3))),
    );
    gauge("audit_db_pool_connections", { state: "idle" }, (minute) => 10 - Math.min(9, Math.round(3 * load(minute))));
    gauge("audit_db_pool_connections", { state: "active" }, (minute) => Math.min(9, Math.round(3 * load(minute))));
    gauge("process_start_time_seconds", {}, () => started + from * 60);
    gauge("process_resident_memory_bytes", {}, (minute) => 9.4e7 + 2e6 * Math.sin(minute / 3));
    gauge("audit_config_generation", {}, (minute) => (minute > 40 ? 2 : 1));
    gauge("audit_config_last_reload_timestamp_seconds", {}, (minute) => started + (minute > 40 ? 40 : from) * 60);
    gauge("audit_config_digest_info", { digest: "9f86d081" }, () => 1);
    gauge("audit_build_info", { version: release }, () => 1);
    gauge("audit_schema_version", {}, () => 4);
    series.push({ name: "process_cpu_seconds_total", type: "counter", labels, at: counted(0.21) });
    gauge("nodejs_eventloop_lag_p99_seconds", {}, (minute) => 0.011 * load(minute));
  }
  const edge = { job: "nginx", environment: "sandbox", instance: "edge:9145", replica: "nginx" };
  const nginx = (name: string, type: History["type"], at: (minute: number) => number) =>
    series.push({ name, type, labels: edge, at });
  nginx("nginx_up", "gauge", () => 1);
  // The exporter's counters do not all end in _total; promtool takes them as what they are to a query: numbers.
  for (const [name, rate] of [
    ["accepted", 3],
    ["handled", 3],
  ] as const) {
    nginx(`nginx_connections_${name}`, "gauge", (minute) => Math.round(rate * loadSince(0, minute)));
  }
  nginx("nginx_http_requests_total", "counter", (minute) => Math.round(70 * loadSince(0, minute)));
  for (const [name, size] of [
    ["active", 9],
    ["reading", 0],
    ["waiting", 6],
    ["writing", 3],
  ] as const) {
    nginx(`nginx_connections_${name}`, "gauge", (minute) => Math.round(size * load(minute)));
  }
  return series;
}
