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
import { UserError } from "../../lib/user-error";

/**
 * How Prometheus learns of the targets: it reads files, it asks the edge's metrics listener, or it has PodMonitors, which
 * the components of a cluster make.
 */
export type TargetsDelivery =
  | {
      by: "file";
      /** Directory or Docker volume on the machine `files`. */
      directory: string;
    }
  | { by: "http" }
  | { by: "podMonitor" };

/** What evaluates the alerts. */
export type AlertsDelivery =
  | {
      in: "prometheus";
      /** Directory or Docker volume on the machine `files`. */
      directory: string;
      /** Shell text on that machine that makes Prometheus reload its rules. Default: its lifecycle API is called. */
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
    /** Authority that signed its certificate; default: a public one. */
    authority?: CertificateAuthority;
    targets: TargetsDelivery;
  };
  /** The machine on which Prometheus reads its files; needed for targets by file and for alerts in Prometheus. */
  files?: DockerHost | SshHost;
  alerts: AlertsDelivery;
  /** The existing Grafana. */
  grafana: {
    provider: grafana.Provider;
    /** Grafana's address for its users. */
    publicUrl: string;
    /** The uid of an existing data source, or the address at which Grafana reaches Prometheus, to create one. */
    dataSource: { uid: string } | { prometheusUrl: string; authority?: CertificateAuthority };
    /** Text of the published dashboard of nginx-prometheus-exporter. */
    nginxDashboard: string;
  };
  /** Prometheus reaches everything through its metrics listener, which also serves the targets for HTTP discovery. */
  edge: {
    /** Where the list of them is written, or the path of one that the edge itself keeps; that needs targets by HTTP. */
    targets: PublishedFiles | { path: string };
    /** Names of what the listener serves at `/metrics/<name>` besides the replicas and the exporter. */
    otherMetrics: readonly string[];
  };
  /** That listener as Prometheus reaches it, host:port. */
  metricsAddress: string;
  /** The service whose replicas are scraped; they become targets once they are promoted. */
  service: Pick<AuditService, "promoted"> & {
    /** The replicas, or where the edge keeps the list, how many pods there are at the least. */
    serving: AuditService["serving"] | { release: string; pods: number };
  };
  /** Links at the top of the service's dashboard. */
  links?: readonly Link[];
  /** Address of docs/runbook.md as people open it. */
  runbookUrl: string;
  /** Whether the service keeps a log that proves itself: then there are alerts and a row about it. Default false. */
  log?: boolean;
  /** Where the edge's certificate comes from, for the alerts about its expiry. Default: no certificate. */
  certificate?: CertificateSource;
  /**
   * Whether Vault makes a login to the database for each pod, so that no two have the same configuration: then none are
   * compared. Default false.
   */
  loginPerPod?: boolean;
  /** GiB that the database may take up; an alert fires days ahead. Default: unknown, no alert. */
  databaseLimit?: number;
}

/**
 * The service in an existing Prometheus and an existing Grafana: scrape targets, alerts, and two dashboards in a folder of
 * their own. The deploy fails if a target does not come up or Prometheus rejects the rules.
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

  /** Writes the targets, and checks that Prometheus scrapes these and no others of this environment. */
  #targets(name: string, args: ObservabilityArgs): void {
    const { environment, edge, service, metricsAddress: address } = args;
    const { serving } = service;
    if ("pods" in serving) {
      const place =
        args.prometheus.targets.by === "podMonitor" ? "podMonitor" : `http://${address}${edge.targets.path}`;
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

  /** Writes the rules file and makes Prometheus reload it, which it does not do by itself. */
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
    // Created before the file, so that it is deleted after it: only then does a reload drop the rules.
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

  /** The folder, and the data source, existing or new. */
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
          log: args.log,
          certificate: certificateLimits(args.certificate),
          inPods: inPods(args),
          loginPerPod: args.loginPerPod,
        }),
      ),
      nginx: dashboard(
        "nginx-dashboard",
        nginxDashboard(args.grafana.nginxDashboard, { datasource, uid: `audit-nginx-${args.environment}` }),
      ),
    };
  }

  /** The alerts for Grafana's own alerting; its notification policies decide who is notified. */
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

/** Grafana queries Prometheus itself, and has a trust store of its own. */
function trusted({
  pem,
}: CertificateAuthority): Pick<grafana.oss.DataSourceArgs, "jsonDataEncoded" | "secureJsonDataEncoded"> {
  return {
    jsonDataEncoded: JSON.stringify({ tlsAuthWithCACert: true }),
    secureJsonDataEncoded: JSON.stringify({ tlsCACert: pem }),
  };
}

/** For the programs of steps/ that call Prometheus. */
function prometheusEnvironment({ url, authority }: ObservabilityArgs["prometheus"]): Record<string, string> {
  return { PROMETHEUS_URL: url, ...nodeEnvironment(authority) };
}

/** Where dashboards and alerts go in Grafana, their data source, and the options of their resources. */
interface PlaceInGrafana {
  folder: grafana.oss.Folder;
  datasource: { uid: string };
  opts: pulumi.CustomResourceOptions;
}

/** @throws Error if files are to be written and the argument is missing */
function filesOf(what: string, { files }: ObservabilityArgs): DockerHost | SshHost {
  if (files !== undefined) return files;
  throw new UserError(`Observability: the ${what} go into files of Prometheus, and the argument files is not given.`);
}

/** The host, directory and file that receive the targets, and how messages name the place. */
function whereTargetsGo(args: ObservabilityArgs) {
  const { targets } = args.prometheus;
  const { edge, metricsAddress, environment } = args;
  if (targets.by === "podMonitor")
    throw new UserError("Observability: prometheus.targets by podMonitor is for a service that runs in pods.");
  if (targets.by === "http") {
    if (!("host" in edge.targets))
      throw new UserError("Observability: edge.targets says no place to write the targets to.");
    const { host, volume, file, path } = edge.targets;
    return { host, directory: volume, file, place: `http://${metricsAddress}${path}` };
  }
  const { directory } = targets;
  return { host: filesOf("targets", args), directory, file: `audit-${environment}.json`, place: directory };
}

const inPods = ({ service }: ObservabilityArgs): boolean => "pods" in service.serving;

function alertOptions(args: ObservabilityArgs): AlertOptions {
  const { environment, runbookUrl, databaseLimit, grafana } = args;
  return {
    environment,
    runbookUrl,
    dashboardUrl: `${grafana.publicUrl}/d/${serviceUid(environment)}`,
    databaseLimit: databaseLimit === undefined ? undefined : databaseLimit * 1024 ** 3,
    log: args.log,
    certificate: certificateLimits(args.certificate),
    inPods: inPods(args),
    loginPerPod: args.loginPerPod,
  };
}

/**
 * When somebody has to act on the certificate. From Vault it is renewed when 5 to 15 % of its lifetime are left (the
 * agent's lease_renewal_threshold, with its jitter); with less than that left, renewal has failed.
 */
export function certificateLimits(source: CertificateSource | undefined): TimeLeft | undefined {
  if (source === undefined) return undefined;
  if (source.by === "files") return { warning: 14 * 86_400, critical: 2 * 86_400 };
  const life = Number.parseInt(source.ttl) * { s: 1, m: 60, h: 3600 }[source.ttl.slice(-1) as "s" | "m" | "h"];
  return { warning: life / 25, critical: life / 50 };
}

/** One for each environment, so that several can share one Grafana. */
function serviceUid(environment: string): string {
  return `audit-svc-${environment}`;
}
