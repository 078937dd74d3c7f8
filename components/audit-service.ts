import type * as command from "@pulumi/command";
import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import type { DockerHost } from "./docker-host";
import { hardened, LOG_OPTIONS, scratch } from "./hardening";
import type { Left } from "./lost-and-found";
import type { Networks } from "./networks";
import type { Replica } from "./release";
import { scriptLine } from "./script-file";
import { dockerRunWords } from "./shell";
import type { Slots } from "./slots";

export interface AuditServiceArgs {
  host: DockerHost;
  networks: Networks;
  /** The slots, with the release that is wanted. */
  slots: Slots;
  /** Docker volume and file name of the configuration, as {@link SecretsBinding} renders it. */
  config: { volume: pulumi.Input<string>; file: string };
  /**
   * Configuration with which `migrate` is run before a release starts. It may be secret: it goes to standard input and is
   * written nowhere. A migration that fails stops the deploy with its output.
   */
  migrate: pulumi.Input<Record<string, unknown>>;
  /** What must be done before a replica starts: the configuration file is there, as this run wants it. */
  after?: readonly pulumi.Resource[];
  /** Seconds after which a migration that has not ended is stopped and the deploy fails; default 900. */
  migrateDeadline?: number;
}

/** Properties of an idle container the engine shall leave alone: all of them. */
const EVERYTHING = ["*"];

/**
 * The service in two slots. A deploy fills the slot that does not serve: image by digest, migration, containers. Putting
 * it in charge is the {@link Cutover}'s part, once the edge is ready for it (docs/decisions/0006).
 */
export class AuditService extends pulumi.ComponentResource {
  /** Replicas of both slots, for the edge. */
  readonly upstreams: { blue: readonly Replica[]; green: readonly Replica[] };
  /** Containers of the slot that this run fills, or that serves already. */
  readonly containers: readonly docker.Container[];
  /** Version to which `migrate` brought the schema; undefined when it does not say `schema version N`. */
  readonly schemaVersion: pulumi.Output<number | undefined>;
  /** Image by digest. */
  readonly image: string;
  /** Identifier of the release. */
  readonly release: string;

  constructor(name: string, args: AuditServiceArgs, opts?: pulumi.ComponentResourceOptions) {
    super("audit:index:AuditService", name, {}, opts);
    const { plan } = args.slots;

    const image = args.host.image(`${name}-image`, plan.wanted.image, {
      parent: this,
      dependsOn: [args.slots.guard],
    });
    const migrated = this.#migrate(name, args, image);
    this.schemaVersion = migrated.stdout.apply(schemaVersionIn);

    this.containers = plan.replicas[plan.target].map((replica) =>
      this.#replica(replica, args, plan.wanted.release, image, args.slots.left(replica), {
        dependsOn: [migrated, ...(args.after ?? [])],
      }),
    );
    if (plan.idle !== undefined) {
      const { slot, release } = plan.idle;
      for (const replica of plan.replicas[slot]) {
        // Registered, so that it is not deleted, and left exactly as it was deployed, also when it is lost: made anew it would start.
        this.#replica(replica, args, release.release, image, "nothing", { ignoreChanges: EVERYTHING });
      }
    }

    this.upstreams = plan.replicas;
    this.image = plan.wanted.image;
    this.release = plan.wanted.release;
    this.registerOutputs({ upstreams: this.upstreams, image: this.image, release: this.release });
  }

  #replica(
    replica: Replica,
    args: AuditServiceArgs,
    release: string,
    image: docker.RemoteImage,
    left: Left,
    opts: pulumi.CustomResourceOptions,
  ): docker.Container {
    const { spec } = args.slots;
    const { front, admin, egress } = args.networks;
    const { reload } = replica;
    return new docker.Container(
      replica.name,
      {
        ...hardened({ memory: spec.memory, user: spec.user }),
        name: replica.name,
        image: image.imageId,
        envs: [
          `AUDIT_CONFIG_FILE=/run/audit/${args.config.file}`,
          `AUDIT_LISTEN=${replica.address}:${replica.port}`,
          `AUDIT_ADMIN_LISTEN=${reload.network === "admin" ? `${reload.address}:${reload.port}` : "off"}`,
          `AUDIT_RELEASE=${release}`,
          ...Object.entries(spec.environment).map(([key, value]) => `${key}=${value}`),
        ],
        // Started by the cutover, at its time and with its care; and the idle slot is stopped on purpose.
        start: false,
        mustRun: false,
        networksAdvanced: [
          { name: front.name, ipv4Address: replica.address },
          ...(reload.network === "admin" ? [{ name: admin.name, ipv4Address: reload.address }] : []),
          { name: egress.name },
        ],
        mounts: [
          { type: "volume", source: args.config.volume, target: "/run/audit", readOnly: true },
          scratch("/tmp", 16),
        ],
        logOpts: LOG_OPTIONS,
      },
      // Name and addresses are fixed, so the old container must go first; it is in the idle slot and serves nobody.
      { parent: this, ...args.host.named(replica.name, left), ...opts },
    );
  }

  #migrate(name: string, args: AuditServiceArgs, image: docker.RemoteImage): command.local.Command {
    const { spec } = args.slots;
    const container = `${name}-migrate`;
    return args.host.script(
      `${name}-migrate`,
      {
        script: scriptLine("migrate.sh", [
          container,
          args.migrateDeadline ?? 900,
          ...dockerRunWords({
            name: container,
            image: spec.image,
            command: ["migrate"],
            network: args.networks.names.egress,
            interactive: true,
            user: spec.user,
            environment: { AUDIT_CONFIG_FILE: "/dev/stdin" },
          }),
        ]),
        stdin: pulumi.secret(pulumi.output(args.migrate).apply((config) => JSON.stringify(config))),
      },
      { parent: this, dependsOn: [image, args.networks] },
    );
  }
}

/** What `migrate` says about the schema, by its line `schema version N`. */
export function schemaVersionIn(output: string): number | undefined {
  const found = /^schema version (\d+)$/m.exec(output)?.[1];
  return found === undefined ? undefined : Number(found);
}
