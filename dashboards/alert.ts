import type { TimeLeft } from "./panels";

export interface AlertOptions {
  /**
   * Environment whose series the rules watch. It is part of each rule's matchers and of the group's name, so that one
   * Prometheus can serve several environments.
   */
  readonly environment: string;
  /** Address of docs/runbook.md for its readers; each alert's section is appended as `#name`. */
  readonly runbookUrl: string;
  /** Address of the service's dashboard, an annotation of every alert. Default: none. */
  readonly dashboardUrl?: string;
  /** Share of 5xx answers that raises an alert, 0 to 1. Default 0.05. */
  readonly errorShare?: number;
  /** 99th percentile of storing events that raises an alert, in seconds. Default 0.5. */
  readonly latencySeconds?: number;
  /** Bytes that the database may take up; its alert fires days ahead. Default: unknown, no alert. */
  readonly databaseLimit?: number;
  /** Whether the Vault Agents run in pods, where they tell less of themselves; default false. */
  readonly inPods?: boolean;
  /** Whether each pod has a login to the database of its own: then no two have the same configuration. Default false. */
  readonly loginPerPod?: boolean;
  /** Whether the service keeps a log that proves itself; default false: no alerts about it. */
  readonly log?: boolean;
  /** Time limits of the alerts for the edge's certificate. Default: no certificate, no alert. */
  readonly certificate?: TimeLeft;
}

export type Severity = "critical" | "warning";

/** One alert before it is written for Prometheus or for Grafana. */
export interface Alert {
  readonly name: string;
  readonly expr: string;
  /** How long the expression must hold, as Prometheus writes durations. */
  readonly for: string;
  /** critical: clients notice, or soon will. warning: look during the day. */
  readonly severity: Severity;
  readonly summary: string;
  readonly description: string;
}
