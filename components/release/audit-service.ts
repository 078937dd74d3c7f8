import type * as command from "@pulumi/command";
import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import type { AccessTokens } from "../secrets/access-tokens";
import type { Database } from "../database/database";
import type { EdgeProxy } from "../edge/edge-proxy";
import { hardened, LOG_OPTIONS, scratch } from "../vm/hardening";
import type { Left } from "../vm/missing-resources";
import type { ReleaseState } from "../../lib/release-state";
import type { Replica } from "./release";
import { scriptLine } from "../host/script-file";
import type { SecretsBinding } from "../secrets/secrets-binding";
import { dockerRunWords } from "../../lib/shell";
import { schemaVersionIn } from "./schema-version";
import { Promotion, type Slots } from "./slots";
import type { Vm } from "../vm/vm";

export interface AuditServiceArgs {
  vm: Vm;
  /** The slots, with the wanted release. */
  slots: Slots;
  /**
   * Where events are stored. Its owner runs `migrate` before a release starts, and a migration that fails stops the deploy with its
   * output; its former login is locked once every replica works with the new one.
   */
  database: Database;
  /** The tokens; holders get theirs once every replica accepts them. */
  tokens: AccessTokens;
  /** Renders the configuration of the replicas. */
  secrets: SecretsBinding;
  /** The way to the replicas; it must know those of the target slot before the slot is promoted. */
  behind: EdgeProxy;
  /** Seconds after which a migration that has not ended is stopped and the deploy fails; default 900. */
  migrateDeadline?: number;
}

/**
 * The service in two slots. A deploy fills the idle slot: image by digest, migration, containers. Once the edge is
 * ready for it, that slot is promoted and the other one is drained (docs/decisions/0006). Finally the former database
 * login is locked, and each holder finds its newest token in Vault.
 *
 * @example
 * const service = new AuditService("audit-svc", { vm, slots, database, tokens, secrets, behind: edge });
 * export const releases = service.state;
 */
export class AuditService extends pulumi.ComponentResource {
  /** State of the slots: `previous` of the next run. */
  readonly state: pulumi.Output<ReleaseState>;
  /** Identifier and image digest of the release, once it is active. */
  readonly release: pulumi.Output<string>;
  readonly image: pulumi.Output<string>;
  /** The replicas that serve once this run has succeeded, and their release, as scrape targets. */
  readonly serving: { replicas: { name: string; release: string }[]; release: string };
  /** Done once the release is active; the former one may still be draining. */
  readonly promoted: pulumi.Resource;
  /** Version of the database login, once the other one is locked. */
  readonly databasePasswordVersion: pulumi.Output<number>;
  /** Version of each token that its holder finds in Vault, once it is there. */
  readonly tokenVersions: pulumi.Output<Record<string, number>>;

  constructor(name: string, args: AuditServiceArgs, opts?: pulumi.ComponentResourceOptions) {
    super("audit:index:AuditService", name, {}, opts);
    const { vm, slots, database, secrets } = args;
    const { plan } = slots;

    const image = vm.image(`${name}-image`, plan.wanted.image, {
      parent: this,
      dependsOn: [slots.recoverActiveSlot],
    });
    const migrated = this.#migrate(name, args, image);
    const containers = plan.replicas[plan.target].map((replica) =>
      this.#replica(replica, args, plan.wanted.release, image, slots.left(replica), [migrated, secrets.rendered]),
    );
    if (plan.idle !== undefined) {
      const { slot, release } = plan.idle;
      for (const replica of plan.replicas[slot]) {
        // Registered so that it is not deleted, and otherwise left as it was deployed.
        this.#replica(replica, args, release.release, image, "idle");
      }
    }

    const promotion = new Promotion(
      name,
      {
        ...{ vm, slots, containers },
        config: { volume: secrets.configVolume, file: secrets.configFile },
        schemaVersion: migrated.stdout.apply(schemaVersionIn),
        dependsOn: [args.behind, secrets],
      },
      // Earlier versions had it as a sibling of this component.
      { parent: this, aliases: [{ parent: pulumi.rootStackResource }] },
    );
    const confirmed = secrets.confirmation({ parent: this, dependsOn: [promotion] });
    this.databasePasswordVersion = database.lockFormerLogin([confirmed]);
    this.tokenVersions = args.tokens.handOut([confirmed]);

    this.serving = { replicas: slots.serving, release: plan.wanted.release };
    this.promoted = promotion.promoted;
    this.state = promotion.state;
    this.release = promotion.release;
    this.image = promotion.image;
    this.registerOutputs({ state: this.state, release: this.release, image: this.image });
  }

  #replica(
    replica: Replica,
    args: AuditServiceArgs,
    release: string,
    image: docker.RemoteImage,
    left: Left | "idle",
    dependsOn: pulumi.Resource[] = [],
  ): docker.Container {
    const { spec } = args.slots;
    const { front, admin, egress } = args.vm.networks;
    const { reload } = replica;
    const container = {
      ...hardened({ memory: spec.memory, user: spec.user }),
      name: replica.name,
      image: image.imageId,
      envs: [
        `AUDIT_CONFIG_FILE=/run/audit/${args.secrets.configFile}`,
        `AUDIT_LISTEN=${replica.address}:${replica.port}`,
        `AUDIT_ADMIN_LISTEN=${reload.network === "admin" ? `${reload.address}:${reload.port}` : "off"}`,
        `AUDIT_RELEASE=${release}`,
        ...Object.entries(spec.environment).map(([key, value]) => `${key}=${value}`),
      ],
      // The promotion starts it, and the idle slot is stopped on purpose.
      start: false,
      mustRun: false,
      networksAdvanced: [
        { name: front.name, ipv4Address: replica.address },
        ...(reload.network === "admin" ? [{ name: admin.name, ipv4Address: reload.address }] : []),
        { name: egress.name },
      ],
      mounts: [
        { type: "volume", source: args.secrets.configVolume, target: "/run/audit", readOnly: true },
        scratch("/tmp", 16),
      ],
      logOpts: LOG_OPTIONS,
    };
    return new docker.Container(replica.name, container, {
      parent: this,
      // Name and addresses are fixed, so the old container must go first; it is in the idle slot and serves nobody.
      ...args.vm.named(replica.name, left === "idle" ? "nothing" : left),
      dependsOn,
      // With its networks an idle container is replaced too: Docker binds it to their ids, so that it could not start
      // on new ones, and a rollback would fail.
      ignoreChanges: left === "idle" ? Object.keys(container).filter((key) => key !== "networksAdvanced") : [],
    });
  }

  #migrate(name: string, args: AuditServiceArgs, image: docker.RemoteImage): command.local.Command {
    const {
      vm,
      database,
      slots: { spec },
    } = args;
    const container = `${name}-migrate`;
    return vm.script(
      `${name}-migrate`,
      {
        script: scriptLine("migrate.sh", [
          container,
          args.migrateDeadline ?? 900,
          ...dockerRunWords({
            name: container,
            image: spec.image,
            command: ["migrate"],
            network: vm.networks.names.egress,
            interactive: true,
            user: spec.user,
            environment: { AUDIT_CONFIG_FILE: "/dev/stdin" },
          }),
        ]),
        stdin: pulumi.secret(
          pulumi
            .output({ database: database.ownerConnection, runtimeRole: database.runtimeRole, tokens: [] })
            .apply((config) => JSON.stringify(config)),
        ),
      },
      { parent: this, dependsOn: [image, vm.networks] },
    );
  }
}
