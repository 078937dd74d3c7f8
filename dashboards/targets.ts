import { EDGE_JOB, SERVICE_JOB } from "./metrics";
import { UserError } from "../lib/user-error";

/** One replica of the service as a scrape target. */
export interface ReplicaTarget {
  /** Name of the replica, part of its metrics path: letters, digits, hyphens, dots, underscores. Example `blue-1`. */
  readonly name: string;
  /** Release it runs; a label. */
  readonly release: string;
}

export interface TargetsOptions {
  /** `host:port` of the edge's metrics listener as Prometheus reaches it. */
  readonly address: string;
  readonly environment: string;
  /** The replicas that serve; Prometheus forgets one that is not listed. */
  readonly replicas: readonly ReplicaTarget[];
  /** Release that the edge serves, a label of the exporter's target. Default: none. */
  readonly release?: string;
  /**
   * Other metrics that the listener serves at `/metrics/<name>`, each a target with the job `audit-<name>`. Example
   * `certificate`. Default: nothing.
   */
  readonly others?: readonly string[];
  /** Label `application` of every target. Default `audit-svc`. */
  readonly application?: string;
}

/** One entry of Prometheus's file-based service discovery. */
interface TargetGroup {
  readonly targets: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
}

/**
 * Targets for Prometheus's file_sd_configs (or http_sd_configs, which takes the same JSON): each replica and the
 * exporter, all through the edge's metrics listener, distinguished by their path.
 *
 * `job` and `instance` are set here and override those of the scrape configuration, so that one scrape job serves any
 * number of deployments. Without its own `instance` every replica would have the listener's address as `instance`.
 *
 * @throws Error if the address or a name cannot be used, or a name is given twice
 */
export function targets(options: TargetsOptions): string {
  const { address, environment, replicas, release, others = [], application = "audit-svc" } = options;
  if (!/^([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):\d+$/.test(address)) {
    throw new UserError(`The metrics address ${JSON.stringify(address)} must be host:port without a scheme.`);
  }
  const seen = new Set<string>();
  const taken = ["nginx", ...others];
  for (const { name } of replicas) {
    if (!/^[A-Za-z0-9._-]+$/.test(name) || taken.includes(name)) {
      throw new UserError(
        `The replica name ${JSON.stringify(name)} must be letters, digits, hyphens, dots or underscores, and not ${taken.map((other) => `"${other}"`).join(" or ")}.`,
      );
    }
    if (seen.has(name)) throw new UserError(`The replica name ${JSON.stringify(name)} is given twice.`);
    seen.add(name);
  }
  const common = { application, environment };
  const groups: TargetGroup[] = [...replicas]
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map((replica) => ({
      targets: [address],
      labels: {
        __metrics_path__: `/metrics/${replica.name}`,
        ...common,
        instance: `${address}/${replica.name}`,
        job: SERVICE_JOB,
        release: replica.release,
        replica: replica.name,
      },
    }));
  groups.push({
    targets: [address],
    labels: {
      __metrics_path__: "/metrics/nginx",
      ...common,
      instance: address,
      job: EDGE_JOB,
      ...(release === undefined ? {} : { release }),
      replica: "nginx",
    },
  });
  for (const name of others) {
    groups.push({
      targets: [address],
      labels: {
        __metrics_path__: `/metrics/${name}`,
        ...common,
        instance: `${address}/${name}`,
        job: `audit-${name}`,
      },
    });
  }
  return `${JSON.stringify(groups, null, 2)}\n`;
}
