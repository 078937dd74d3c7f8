import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from "prom-client";

const METHODS = new Set(["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"]);

/** All metrics of the service, in a separate registry, so that tests can have several. */
export class Metrics {
  readonly registry = new Registry();
  readonly #applications = new Set<string>();
  #maxApplications = 50;

  readonly events = this.counter("audit_events_total", "Events acknowledged as stored, by application", [
    "application",
  ]);
  readonly requests = this.counter("http_requests_total", "HTTP requests answered", ["method", "route", "code"]);
  readonly duration = new Histogram({
    name: "http_request_duration_seconds",
    help: "Time from a request's headers to its answer",
    labelNames: ["method", "route"],
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    registers: [this.registry],
  });
  readonly queueDepth = this.gauge("audit_ingest_queue_depth", "Events that wait to be stored");
  readonly batchSize = new Histogram({
    name: "audit_ingest_batch_size",
    help: "Events stored by one statement",
    buckets: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000],
    registers: [this.registry],
  });
  readonly pool = this.gauge("audit_db_pool_connections", "Database connections, by state", ["state"]);
  readonly dbErrors = this.counter("audit_db_errors_total", "Errors from the database, by kind", ["kind"]);
  readonly generation = this.gauge("audit_config_generation", "Number of configurations applied since the start");
  readonly digest = this.gauge("audit_config_digest_info", "sha256 of the configuration in force", ["digest"]);
  readonly lastReload = this.gauge(
    "audit_config_last_reload_timestamp_seconds",
    "When the configuration in force was loaded",
  );
  readonly reloads = this.counter("audit_config_reloads_total", "Attempts to load the configuration, by result", [
    "result",
  ]);
  readonly schemaVersion = this.gauge("audit_schema_version", "Version of the database's schema");
  readonly databaseSize = this.gauge("audit_database_size_bytes", "Size of the database, at most some minutes old");
  readonly partitionsEnd = this.gauge(
    "audit_partitions_end_timestamp_seconds",
    "Moment up to which the events have partitions",
  );
  readonly logSize = this.gauge("audit_log_size", "Entries in the log's tree");
  readonly logCheckpointSize = this.gauge("audit_log_checkpoint_size", "Entries that the newest checkpoint covers");
  readonly logCheckpointTime = this.gauge(
    "audit_log_checkpoint_timestamp_seconds",
    "When the newest checkpoint was signed",
  );
  readonly logLag = this.gauge(
    "audit_log_lag_seconds",
    "Age of the oldest stored event that no checkpoint covers yet; 0 if there is none",
  );
  readonly logWitnessedSize = this.gauge(
    "audit_log_witnessed_size",
    "Entries of the newest checkpoint that a witness has reported",
  );
  readonly logWitnessedTime = this.gauge(
    "audit_log_witnessed_timestamp_seconds",
    "When a witness last reported a checkpoint",
  );
  readonly logErrors = this.counter("audit_log_errors_total", "Failures of the log, by step", ["step"]);

  /** @param process whether to collect process metrics too, which cannot be stopped again; default true */
  constructor(build: { version: string; release: string }, process = true) {
    if (process) collectDefaultMetrics({ register: this.registry });
    this.gauge("audit_build_info", "Version of the program and the release it runs as", ["version", "release"]).set(
      build,
      1,
    );
    // Unknown yet: 0 would mean an empty database, and partitions that ended long ago.
    for (const figure of [this.databaseSize, this.partitionsEnd, ...this.logFigures]) figure.remove();
    for (const step of ["sequence", "sign"]) this.logErrors.inc({ step }, 0);
    for (const kind of ["connection", "timeout", "query"]) this.dbErrors.inc({ kind }, 0);
    for (const result of ["applied", "unchanged", "unreadable", "invalid", "unreachable"])
      this.reloads.inc({ result }, 0);
  }

  /** What is known of the log only where there is one. */
  get logFigures(): readonly Gauge[] {
    return [
      ...[this.logSize, this.logCheckpointSize, this.logCheckpointTime, this.logLag],
      ...[this.logWitnessedSize, this.logWitnessedTime],
    ];
  }

  /** Adds the configuration's applications as labels; others are added as they appear, up to `max`. */
  allowApplications(names: readonly string[], max: number): void {
    this.#maxApplications = max;
    for (const name of names) this.applicationLabel(name);
  }

  /**
   * The label for an application: its name, or `other` once there are too many. Labels are never dropped, because
   * counters must not go back.
   */
  applicationLabel(name: string): string {
    if (this.#applications.has(name)) return name;
    if (this.#applications.size >= this.#maxApplications) return "other";
    this.#applications.add(name);
    this.events.inc({ application: name }, 0);
    return name;
  }

  /** Counts stored events. */
  countEvents(counts: ReadonlyMap<string, number>): void {
    for (const [name, count] of counts) this.events.inc({ application: this.applicationLabel(name) }, count);
  }

  /** Counts one answered request. */
  observe(method: string, route: string | undefined, code: number, seconds: number): void {
    const labels = { method: METHODS.has(method) ? method : "other", route: route ?? "unmatched" };
    this.requests.inc({ ...labels, code });
    this.duration.observe(labels, seconds);
  }

  private counter<T extends string = never>(name: string, help: string, labelNames: T[] = []): Counter<T> {
    return new Counter({ name, help, labelNames, registers: [this.registry] });
  }

  private gauge<T extends string = never>(name: string, help: string, labelNames: T[] = []): Gauge<T> {
    return new Gauge({ name, help, labelNames, registers: [this.registry] });
  }
}
