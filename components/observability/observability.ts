import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import * as grafana from "@pulumiverse/grafana";
import {
  type AlertOptions,
  GRAFANA_INTERVAL,
  alertRules,
  grafanaRules,
  groupName,
  nginxDashboard,
  serviceDashboard,
  targets,
  type Link,
  type TimeLeft,
} from "../../dashboards";
import { nodeEnvironment, type CertificateAuthority } from "../../lib/certificate-authority";
import type { AuditService } from "../release/audit-service";
import type { DockerHost } from "../vm/docker-host";
import type { CertificateSource } from "../edge/edge-certificate";
import type { PublishedFiles } from "../edge/edge-proxy";
import { HostFiles } from "../vm/host-files";
import { stepCommand } from "../step-command";
import type { SshHost } from "../vm/ssh-host";

/** How Prometheus learns of the targets: it reads files, or it asks the edge's metrics listener. */
export type TargetsDelivery =
  | {
      by: "file";
      /** Directory or Docker volume on the machine `files`. */
      directory: string;
    }
  | { by: "http" };

/** Where the alerts are evaluated. */
export type AlertsDelivery =
  | {
      in: "prometheus";
      /** Directory or Docker volume on the machine `files`. */
      directory: string;
      /** Shell text on that machine that makes Prometheus read its rules again. Default: its own lifecycle API is asked. */
      reload?: string;
    }
  | { in: "grafana" }
  | { in: "none" };

export interface ObservabilityArgs {
  /** Name of this installation in labels. */
  environment: string;
  /** The existing Prometheus. */
  prometheus: {
    url: string;
    /** Who signed its certificate; default: a public authority. */
    authority?: CertificateAuthority;
    targets: TargetsDelivery;
  };
  /** The machine where Prometheus reads its files; needed with targets by file and alerts in Prometheus. */
  files?: DockerHost | SshHost;
  alerts: AlertsDelivery;
  /** The existing Grafana. */
  grafana: {
    provider: grafana.Provider;
    /** Grafana as people open it. */
    publicUrl: string;
    /** uid of a data source that exists, or the address of Prometheus as Grafana reaches it to have one made. */
    dataSource: { uid: string } | { prometheusUrl: string; authority?: CertificateAuthority };
    /** Text of the published dashboard of nginx-prometheus-exporter. */
    nginxDashboard: string;
  };
  /** By its metrics listener Prometheus reaches everything, and there the targets are that it asks for by HTTP. */
  edge: {
    /** Where the list of them is written, or the path of one that the edge itself keeps; that needs targets by HTTP. */
    targets: PublishedFiles | { path: string };
    /** Names of what the listener serves at `/metrics/<name>` besides the replicas and the exporter. */
    otherMetrics: readonly string[];
  };
  /** That listener as Prometheus reaches it, host:port. */
  metricsAddress: string;
  /** Whose replicas are scraped; Prometheus is told of them once they are promoted. */
  service: Pick<AuditService, "promoted"> & {
    /** The replicas, or where the edge keeps the list, how many pods there are at the least. */
    serving: AuditService["serving"] | { release: string; pods: number };
  };
  /** Links in the head of the service's dashboard. */
  links?: readonly Link[];
  /** Address of docs/runbook.md as people open it. */
  runbookUrl: string;
  /** Where the edge's certificate comes from: its end is watched. Default: it has none. */
  certificate?: CertificateSource;
  /** GiB that the database may take up; an alert comes days ahead. Default: not known, no alert. */
  databaseLimit?: number;
}

/**
 * The service in an existing Prometheus and an existing Grafana: scrape targets, alerts, and two dashboards in a folder of
 * their own. It fails when a target does not come up, or when Prometheus does not take the rules.
 *
 * @example
 * new Observability("audit", {
 *   environment: "vm2",
 *   prometheus: { url: "http://prometheus.example.com:9090", targets: { by: "http" } },
 *   alerts: { in: "grafana" },
 *   grafana: {
 *     provider: new grafana.Provider("grafana", { url: "https://grafana.example.com", auth: "anonymous" }),
 *     publicUrl: "https://grafana.example.com",
 *     dataSource: { uid: "prometheus" },
 *     nginxDashboard: await publishedDashboard(),
 *   },
 *   edge,
 *   service,
 *   metricsAddress: "vm2.example.com:9145",
 *   runbookUrl: "https://wiki.example.com/runbook",
 * });
 */
export class Observability extends pulumi.ComponentResource {
  readonly dashboardUrl: pulumi.Output<string>;
  readonly nginxDashboardUrl: pulumi.Output<string>;

  constructor(name: string, args: ObservabilityArgs, opts?: pulumi.ComponentResourceOptions) {
    super("audit:index:Observability", name, {}, opts);
    if (args.prometheus.targets.by === "file") filesOf("targets", args);
    if (args.alerts.in === "prometheus") filesOf("alerts", args);
    this.#targets(name, args);
    this.#rules(name, args);
    const place = this.#placeInGrafana(name, args);
    const { service, nginx } = this.#dashboards(name, args, place);
    if (args.alerts.in === "grafana") this.#ruleGroup(name, args, place);
    const url = (dashboard: grafana.oss.Dashboard) => pulumi.interpolate`${args.grafana.publicUrl}/d/${dashboard.uid}`;
    this.dashboardUrl = url(service);
    this.nginxDashboardUrl = url(nginx);
    this.registerOutputs({ dashboardUrl: this.dashboardUrl, nginxDashboardUrl: this.nginxDashboardUrl });
  }

  /** Writes the targets, and checks that Prometheus scrapes them and no others of ours. */
  #targets(name: string, args: ObservabilityArgs): void {
    const { environment, edge, service, metricsAddress: address } = args;
    const { serving } = service;
    if ("pods" in serving) {
      const place = `http://${address}${edge.targets.path}`;
      const pods = JSON.stringify({ environment, ...serving });
      // Pods that end are scraped until they are gone.
      const wanted = { AUDIT_PODS: pods, AUDIT_TARGETS_DEADLINE: "180" };
      this.#targetsUp(name, args, { place, wanted, triggers: [pods, place], dependsOn: [service.promoted] });
      return;
    }
    const list = targets({ environment, address, ...serving, others: edge.otherMetrics });
    const { host, directory, file, place } = whereTargetsGo(args);
    const written = new HostFiles(
      `${name}-targets`,
      { host, target: directory, movable: true, files: { [file]: list }, dependsOn: [service.promoted] },
      { parent: this },
    );
    this.#targetsUp(name, args, {
      ...{ place, wanted: { AUDIT_TARGETS: list }, triggers: [list, place], dependsOn: [written] },
    });
  }

  #targetsUp(
    name: string,
    { prometheus }: ObservabilityArgs,
    check: { place: string; wanted: Record<string, string>; triggers: string[]; dependsOn: pulumi.Resource[] },
  ): void {
    new command.local.Command(
      `${name}-targets-up`,
      {
        create: stepCommand("check-targets"),
        environment: { ...prometheusEnvironment(prometheus), ...check.wanted, AUDIT_TARGETS_PLACE: check.place },
        triggers: check.triggers,
        logging: command.types.enums.local.Logging.Stderr,
      },
      { parent: this, dependsOn: check.dependsOn },
    );
  }

  /** Writes the rules file and has Prometheus read it, which it does not do by itself. */
  #rules(name: string, args: ObservabilityArgs): void {
    if (args.alerts.in !== "prometheus") return;
    const host = filesOf("alerts", args);
    const { directory, reload } = args.alerts;
    const rules = alertRules(alertOptions(args));
    const files = { [`audit-${args.environment}.yml`]: rules };
    const reloading = {
      environment: prometheusEnvironment(args.prometheus),
      logging: command.types.enums.local.Logging.Stderr,
    };
    // Made before the file, so that it is taken away after it: only then does a reload forget the rules.
    const forgotten =
      reload === undefined
        ? new command.local.Command(
            `${name}-rules-forgotten`,
            { ...reloading, create: ":", delete: stepCommand("load-rules", "--forget") },
            { parent: this },
          )
        : undefined;
    const written = new HostFiles(
      `${name}-rules`,
      {
        ...{ host, target: directory, movable: true, files },
        ...{ then: reload, thenOnDelete: reload, dependsOn: forgotten && [forgotten] },
      },
      { parent: this },
    );
    new command.local.Command(
      `${name}-rules-loaded`,
      {
        ...reloading,
        create: stepCommand("load-rules"),
        environment: {
          ...reloading.environment,
          AUDIT_RULES: rules,
          AUDIT_RULES_PLACE: directory,
          AUDIT_RULES_RELOADED: reload === undefined ? "" : "yes",
        },
        triggers: [rules, directory],
      },
      { parent: this, dependsOn: [written] },
    );
  }

  /** The folder, and the data source that exists or is made. */
  #placeInGrafana(name: string, { environment, grafana: { provider, dataSource } }: ObservabilityArgs): PlaceInGrafana {
    const opts = { parent: this, provider };
    const uid = `audit-${environment}`;
    const folder = new grafana.oss.Folder(`${name}-folder`, { uid, title: `Audit service, ${environment}` }, opts);
    if ("uid" in dataSource) return { folder, datasource: { uid: dataSource.uid }, opts };
    const datasource = { uid: `${uid}-prometheus` };
    const made = new grafana.oss.DataSource(
      `${name}-prometheus`,
      {
        ...{ uid: datasource.uid, name: `Prometheus of ${uid}`, type: "prometheus", url: dataSource.prometheusUrl },
        ...(dataSource.prometheusUrl.startsWith("https://") && dataSource.authority
          ? trusted(dataSource.authority)
          : {}),
      },
      opts,
    );
    return { folder, datasource, opts: { ...opts, dependsOn: [made] } };
  }

  #dashboards(name: string, args: ObservabilityArgs, { folder, datasource, opts }: PlaceInGrafana) {
    const dashboard = (child: string, configJson: string) =>
      new grafana.oss.Dashboard(`${name}-${child}`, { folder: folder.uid, configJson, overwrite: true }, opts);
    return {
      service: dashboard(
        "service-dashboard",
        serviceDashboard({
          datasource,
          uid: serviceUid(args.environment),
          environment: args.environment,
          links: args.links,
          certificate: certificateLimits(args.certificate),
        }),
      ),
      nginx: dashboard(
        "nginx-dashboard",
        nginxDashboard(args.grafana.nginxDashboard, { datasource, uid: `audit-nginx-${args.environment}` }),
      ),
    };
  }

  /** The alerts for Grafana's own alerting; who is told of them is for its notification policies. */
  #ruleGroup(name: string, args: ObservabilityArgs, { folder, datasource, opts }: PlaceInGrafana): void {
    const options = alertOptions(args);
    new grafana.alerting.RuleGroup(
      `${name}-alerts`,
      {
        name: groupName(options),
        folderUid: folder.uid,
        intervalSeconds: GRAFANA_INTERVAL,
        rules: grafanaRules(options, datasource.uid),
      },
      opts,
    );
  }
}

/** Grafana asks Prometheus by itself, and has a store of its own. */
function trusted({
  pem,
}: CertificateAuthority): Pick<grafana.oss.DataSourceArgs, "jsonDataEncoded" | "secureJsonDataEncoded"> {
  return {
    jsonDataEncoded: JSON.stringify({ tlsAuthWithCACert: true }),
    secureJsonDataEncoded: JSON.stringify({ tlsCACert: pem }),
  };
}

/** For the programs of steps/ that ask Prometheus. */
function prometheusEnvironment({ url, authority }: ObservabilityArgs["prometheus"]): Record<string, string> {
  return { PROMETHEUS_URL: url, ...nodeEnvironment(authority) };
}

/** Where dashboards and alerts go in Grafana, what they ask, and the options of resources that ask it. */
interface PlaceInGrafana {
  folder: grafana.oss.Folder;
  datasource: { uid: string };
  opts: pulumi.CustomResourceOptions;
}

/** @throws Error where files are wanted and it is not said where they go */
function filesOf(what: string, { files }: ObservabilityArgs): DockerHost | SshHost {
  if (files !== undefined) return files;
  throw new Error(`Observability: the ${what} go into files of Prometheus, and the argument files is not given.`);
}

/** The host, directory and file that receive the targets, and the place as a message names it. */
function whereTargetsGo(args: ObservabilityArgs) {
  const { targets } = args.prometheus;
  const { edge, metricsAddress, environment } = args;
  if (targets.by === "http") {
    if (!("host" in edge.targets))
      throw new Error("Observability: edge.targets says no place to write the targets to.");
    const { host, volume, file, path } = edge.targets;
    return { host, directory: volume, file, place: `http://${metricsAddress}${path}` };
  }
  const { directory } = targets;
  return { host: filesOf("targets", args), directory, file: `audit-${environment}.json`, place: directory };
}

function alertOptions(args: ObservabilityArgs): AlertOptions {
  const { environment, runbookUrl, databaseLimit, grafana } = args;
  return {
    environment,
    runbookUrl,
    dashboardUrl: `${grafana.publicUrl}/d/${serviceUid(environment)}`,
    databaseLimit: databaseLimit === undefined ? undefined : databaseLimit * 1024 ** 3,
    certificate: certificateLimits(args.certificate),
    agents: !("pods" in args.service.serving),
  };
}

/**
 * When somebody has to look after the certificate. From Vault it is renewed when 5 to 15 % of its life are left (the
 * agent's lease_renewal_threshold, with its jitter), so less than that is a renewal that failed.
 */
export function certificateLimits(source: CertificateSource | undefined): TimeLeft | undefined {
  if (source === undefined) return undefined;
  if (source.by === "files") return { warning: 14 * 86_400, critical: 2 * 86_400 };
  const life = Number.parseInt(source.ttl) * { s: 1, m: 60, h: 3600 }[source.ttl.slice(-1) as "s" | "m" | "h"];
  return { warning: life / 25, critical: life / 50 };
}

/** Of its own for each environment, so that several share one Grafana. */
function serviceUid(environment: string): string {
  return `audit-svc-${environment}`;
}
