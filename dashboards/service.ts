import * as dashboard from "@grafana/grafana-foundation-sdk/dashboard";

import { canonicalDashboard } from "./canonical";
import { DATA_SOURCE, type TimeLeft } from "./panels";
import { select } from "./promql";
import {
  SCOPE,
  askedPanels,
  configurationPanels,
  credentialPanels,
  ingestionPanels,
  latencyPanels,
  processPanels,
  storagePanels,
} from "./service-panels";

/** A Prometheus data source of Grafana. */
export interface DataSource {
  readonly uid: string;
  /** Shown in the dashboard's chooser. Default: the uid. */
  readonly name?: string;
}

/** A link at the top of a dashboard. */
export interface Link {
  readonly title: string;
  readonly url: string;
}

export interface ServiceDashboardOptions {
  readonly datasource: DataSource;
  /** Fixed uid, part of the dashboard's URL (`/d/<uid>`): 1 to 40 letters, digits, hyphens, underscores. Default `audit-svc`. */
  readonly uid?: string;
  /** Unique in its folder. Default `Audit service`. */
  readonly title?: string;
  /** Environment that is selected when the dashboard opens. Default: all. */
  readonly environment?: string;
  /** Links at the top, for example to the service, Prometheus's targets or the runbook. Default: none. */
  readonly links?: readonly Link[];
  /** When somebody has to look after the edge's certificate. Default: no certificate, no panel. */
  readonly certificate?: TimeLeft;
}

/** Tag of all dashboards of this project; each links to the others by it. */
export const TAG = "audit-svc";

/** uid of the service's dashboard unless the options say otherwise. */
export const SERVICE_DASHBOARD_UID = "audit-svc";

/**
 * The service's dashboard as canonical JSON: the required panels first (events per second by application, share of
 * response codes, status from `up`), then what an operator needs next. Rates are computed per series before they are
 * summed, so that a restarting replica shows neither a negative nor a huge value.
 */
export function serviceDashboard(options: ServiceDashboardOptions): string {
  const {
    datasource,
    uid = SERVICE_DASHBOARD_UID,
    title = "Audit service",
    environment,
    links = [],
    certificate,
  } = options;
  const builder = new dashboard.DashboardBuilder(title)
    .uid(uid)
    .description(
      "What the audit service takes in, what it answers, and how it is. Built by a program: what is changed here by hand is overwritten by the next deployment.",
    )
    .tags([TAG])
    .editable()
    .tooltip(dashboard.DashboardCursorSync.Crosshair)
    .time({ from: "now-30m", to: "now" })
    .refresh("10s")
    .timezone("browser")
    .withVariable(
      new dashboard.DatasourceVariableBuilder("datasource")
        .label("Data source")
        .type("prometheus")
        .current({ selected: true, text: datasource.name ?? datasource.uid, value: datasource.uid }),
    )
    .withVariable(labelVariable("environment", "Environment", select("up", SCOPE[0]), environment))
    .withVariable(labelVariable("replica", "Instance", select("up", SCOPE[0], SCOPE[1])))
    .annotation(releaseMarks())
    // Not with the SDK's builder: it always hides links in the controls menu.
    .links([SIBLINGS_LINK, ...links.map(headLink)].map((link) => ({ build: () => link })));

  for (const panel of askedPanels()) builder.withPanel(panel);
  const rows = [
    ["Latency", latencyPanels],
    ["Ingestion and database", ingestionPanels],
    ["Configuration and releases", configurationPanels],
    ["Storage and credentials", () => [...storagePanels(), ...credentialPanels(certificate)]],
    ["Process", processPanels],
  ] as const;
  for (const [name, panels] of rows) {
    builder.withRow(new dashboard.RowBuilder(name));
    for (const panel of panels()) builder.withPanel(panel);
  }
  return canonicalDashboard(builder.build());
}

function labelVariable(name: string, label: string, series: string, chosen?: string): dashboard.QueryVariableBuilder {
  return (
    new dashboard.QueryVariableBuilder(name)
      .label(label)
      .datasource(DATA_SOURCE)
      .query(`label_values(${series}, ${name})`)
      .multi(true)
      .includeAll(true)
      .allValue(".*")
      // Refreshed with the time range, not only on load: a deploy adds replicas that an open page does not know.
      .refresh(dashboard.VariableRefresh.OnTimeRangeChanged)
      .sort(dashboard.VariableSort.AlphabeticalAsc)
      .current(
        chosen === undefined
          ? { selected: true, text: ["All"], value: ["$__all"] }
          : { selected: true, text: [chosen], value: [chosen] },
      )
  );
}

/**
 * A mark at the start of each release's first running process. It comes from the metrics and is not written to Grafana
 * by the deploy, so it needs no additional token and appears after a rollback too.
 */
function releaseMarks(): dashboard.AnnotationQueryBuilder {
  return new dashboard.AnnotationQueryBuilder()
    .name("Releases")
    .datasource(DATA_SOURCE)
    .enable(true)
    .iconColor("purple")
    .expr(`1000 * min by (environment, release) (${select("process_start_time_seconds", SCOPE[0], SCOPE[1])})`)
    .step("15s")
    .useValueForTime(true)
    .titleFormat("Release {{release}}")
    .textFormat("started in {{environment}}")
    .tagKeys("environment,release");
}

/** A list of the dashboards with our tag, at the top of each; works below any path of Grafana. */
export const SIBLINGS_LINK: dashboard.DashboardLink = {
  title: "Dashboards of the audit service",
  type: dashboard.DashboardLinkType.Dashboards,
  icon: "dashboard",
  tooltip: "",
  tags: [TAG],
  asDropdown: false,
  targetBlank: false,
  includeVars: false,
  keepTime: true,
};

function headLink({ title, url }: Link): dashboard.DashboardLink {
  return {
    title,
    type: dashboard.DashboardLinkType.Link,
    icon: "external link",
    tooltip: "",
    url,
    tags: [],
    asDropdown: false,
    targetBlank: true,
    includeVars: false,
    keepTime: false,
  };
}
