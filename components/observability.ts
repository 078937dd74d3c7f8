import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import * as grafana from "@pulumiverse/grafana";
import { alertRules, nginxDashboard, serviceDashboard, targets, type Link, type ReplicaTarget } from "../dashboards";
import type { DockerHost } from "./docker-host";
import { HostFiles } from "./host-files";

export interface ObservabilityArgs {
  /** Name of this installation in labels. */
  environment: string;
  /** The existing Prometheus: its API, and where it reads files. */
  prometheus: {
    url: string;
    /** The machine on which it reads its files. */
    host: DockerHost;
    /** Directory or Docker volume there that it reads as file_sd. */
    targets: string;
    /** The same for rule_files; undefined = write no rules. */
    rules?: string;
  };
  /** The existing Grafana. */
  grafana: {
    provider: grafana.Provider;
    /** Grafana as people open it. */
    publicUrl: string;
    /** uid of a data source that exists, or the address of Prometheus as Grafana reaches it to have one made. */
    dataSource: { uid: string } | { prometheusUrl: string };
    /** Text of the published dashboard of nginx-prometheus-exporter. */
    nginxDashboard: string;
  };
  /** What is scraped: the edge's metrics listener as Prometheus reaches it, and the replicas behind it. */
  scrape: { address: string; replicas: readonly ReplicaTarget[]; release: string };
  /** Links in the head of the service's dashboard. */
  links?: readonly Link[];
  /** Address of docs/runbook.md as people open it. */
  runbookUrl: string;
  /** What must be done before Prometheus is told of the targets: what serves them. */
  after?: readonly pulumi.Resource[];
}

/**
 * The service in an existing Prometheus and an existing Grafana: scrape targets by file_sd, alert rules, and two
 * dashboards in a folder of their own. It fails when a target does not come up.
 */
export class Observability extends pulumi.ComponentResource {
  readonly dashboardUrl: pulumi.Output<string>;
  readonly nginxDashboardUrl: pulumi.Output<string>;

  constructor(name: string, args: ObservabilityArgs, opts?: pulumi.ComponentResourceOptions) {
    super("audit:index:Observability", name, {}, opts);
    this.#prometheus(name, args);
    const { service, nginx } = this.#grafana(name, args);
    const url = (dashboard: grafana.oss.Dashboard) => pulumi.interpolate`${args.grafana.publicUrl}/d/${dashboard.uid}`;
    this.dashboardUrl = url(service);
    this.nginxDashboardUrl = url(nginx);
    this.registerOutputs({ dashboardUrl: this.dashboardUrl, nginxDashboardUrl: this.nginxDashboardUrl });
  }

  #prometheus(name: string, args: ObservabilityArgs): void {
    const { prometheus, environment } = args;
    if (prometheus.rules !== undefined) {
      new HostFiles(
        `${name}-rules`,
        {
          host: prometheus.host,
          target: prometheus.rules,
          files: {
            [`audit-${environment}.yml`]: alertRules({
              environment,
              runbookUrl: args.runbookUrl,
              dashboardUrl: `${args.grafana.publicUrl}/d/${serviceUid(environment)}`,
            }),
          },
        },
        { parent: this },
      );
    }
    const list = targets({ environment, ...args.scrape });
    const written = new HostFiles(
      `${name}-targets`,
      {
        host: prometheus.host,
        target: prometheus.targets,
        files: { [`audit-${environment}.json`]: list },
        after: args.after,
      },
      { parent: this },
    );
    new command.local.Command(
      `${name}-targets-up`,
      {
        create: "node --import tsx tools/check-targets.ts",
        environment: { PROMETHEUS_URL: prometheus.url, AUDIT_TARGETS: list },
        triggers: [list],
        logging: command.types.enums.local.Logging.Stderr,
      },
      { parent: this, dependsOn: [written] },
    );
  }

  #grafana(name: string, args: ObservabilityArgs): { service: grafana.oss.Dashboard; nginx: grafana.oss.Dashboard } {
    const inGrafana = { parent: this, provider: args.grafana.provider };
    const uid = `audit-${args.environment}`;
    const folder = new grafana.oss.Folder(
      `${name}-folder`,
      { uid, title: `Audit service, ${args.environment}` },
      inGrafana,
    );
    const { dataSource } = args.grafana;
    const made =
      "prometheusUrl" in dataSource
        ? new grafana.oss.DataSource(
            `${name}-prometheus`,
            {
              uid: `${uid}-prometheus`,
              name: `Prometheus of ${uid}`,
              type: "prometheus",
              url: dataSource.prometheusUrl,
            },
            inGrafana,
          )
        : undefined;
    const datasource = { uid: "uid" in dataSource ? dataSource.uid : `${uid}-prometheus` };
    const dashboard = (child: string, configJson: string) =>
      new grafana.oss.Dashboard(
        `${name}-${child}`,
        { folder: folder.uid, configJson, overwrite: true },
        { ...inGrafana, dependsOn: made === undefined ? [] : [made] },
      );
    return {
      service: dashboard(
        "service-dashboard",
        serviceDashboard({
          datasource,
          uid: serviceUid(args.environment),
          environment: args.environment,
          links: args.links,
        }),
      ),
      nginx: dashboard(
        "nginx-dashboard",
        nginxDashboard(args.grafana.nginxDashboard, { datasource, uid: `audit-nginx-${args.environment}` }),
      ),
    };
  }
}

/** Of its own for each environment, so that several share one Grafana. */
function serviceUid(environment: string): string {
  return `audit-svc-${environment}`;
}
