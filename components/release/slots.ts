import type * as command from "@pulumi/command";
import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { drainScript, promoteScript, recoverScript, type SlotReplicas } from "./promote-script";
import type { Left } from "../vm/missing-resources";
import type { ReleaseState } from "../../lib/release-state";
import { completeSpec, planRelease, type ReleasePlan, type Replica, type ReplicaSpec } from "./release";
import { MARKER_DIRECTORY, MARKER_FILE, type PromotionContext } from "./switch-helper";
import { heldUntil } from "../../lib/held";
import { UserError } from "../../lib/user-error";
import type { Vm } from "../vm/vm";

/** Which slots have the fixed addresses of a Vm's networks. */
const OCCUPIED = new WeakMap<Vm, string>();

export interface SlotsArgs {
  vm: Vm;
  /** The release that is wanted. */
  spec: ReplicaSpec;
  /** State from the last run ({@link AuditService.state}); undefined in the first. */
  previous: ReleaseState | undefined;
  /** Path that answers 200 once a replica can store events; default "/readyz". */
  readyPath?: string;
  /** Seconds that a replica of a new release has until it must be ready; default 60. */
  readyDeadline?: number;
}

/**
 * The two slots of a service, and which of them this run fills. A volume holds the active-slot marker: if it is
 * present, green is active, otherwise blue. Nginx checks it at each request, so that a release is promoted without a
 * reload.
 *
 * @example
 * const last = await lastRun();
 * const slots = new Slots("audit-svc", {
 *   vm,
 *   spec: { image: "registry/audit-svc@sha256:...", replicas: 2 },
 *   previous: last.releases,
 * });
 * slots.deploys; // whether this run promotes another release
 */
export class Slots extends pulumi.ComponentResource {
  readonly plan: ReleasePlan;
  readonly spec: Required<ReplicaSpec>;
  /** Whether this run promotes another release. */
  readonly deploys: boolean;
  readonly #previous: ReleaseState | undefined;
  /** Volume of the marker, where it is to be mounted, and the file there. */
  readonly marker: { volume: pulumi.Output<string>; directory: string; file: string };
  /**
   * Must run before the target slot's containers are replaced: it undoes a promotion that no completed run recorded.
   */
  readonly recoverActiveSlot: pulumi.CustomResource;
  /** Names and limits for the scripts on the VM. */
  readonly context: PromotionContext;

  constructor(name: string, args: SlotsArgs, opts?: pulumi.ComponentResourceOptions) {
    super("audit:index:Slots", name, {}, opts);
    const other = OCCUPIED.get(args.vm);
    if (other !== undefined)
      throw new UserError(
        `Slots ${name}: the replicas of ${other} have the addresses of this Vm's networks; give ${name} a Vm with other networks`,
      );
    OCCUPIED.set(args.vm, name);
    this.spec = completeSpec(args.spec);
    this.plan = planRelease(name, args.spec, args.previous, args.vm.networks.addresses);
    this.#previous = args.previous;
    this.deploys = args.previous?.active !== this.plan.target;
    const volume = `${name}-release`;
    this.context = {
      tools: args.vm.tools,
      frontNetwork: args.vm.networks.names.front,
      markerVolume: volume,
      readyDeadline: args.readyDeadline ?? 60,
      readyPath: args.readyPath ?? "/readyz",
    };
    const made = new docker.Volume(volume, { name: volume }, { parent: this, provider: args.vm.provider });
    this.marker = { volume: made.name, directory: MARKER_DIRECTORY, file: MARKER_FILE };
    // Only a run that replaces the idle slot has anything to recover. If the target is active already, nothing is
    // replaced, and the script stays as the last deploy left it, so that a run without changes shows none. But if the
    // last deploy was for another release and did not complete, it may have promoted its slot, or may still do so; then
    // this script, and with it the promotion, runs.
    this.recoverActiveSlot = args.vm.script(
      `${name}-guard`,
      {
        script: recoverScript(this.plan.target, this.deploys ? this.other : undefined, this.context),
        triggers: [this.plan.target, this.plan.wanted.release],
        verbose: true,
      },
      { parent: this, dependsOn: [made, args.vm.networks], ignoreChanges: this.deploys ? [] : ["environment"] },
    );
    this.registerOutputs({});
  }

  /** Whether a replica of either slot takes `POST /reload` on its main port. */
  get reloadOnFront(): boolean {
    const { blue, green } = this.plan.replicas;
    return [...blue, ...green].some(({ reload }) => reload.network === "front");
  }

  /**
   * How the last completed run left this replica of the target slot on the host. Even one that was left running only
   * has to be there: the promotion starts it if necessary. Recreating it would be dangerous, because the recovery may
   * have promoted its slot by then.
   */
  left(replica: Replica): Left {
    const count = this.#previous?.slots[this.plan.target]?.replicas ?? 0;
    return this.target.replicas.indexOf(replica) < count ? "there" : "nothing";
  }

  /**
   * Names of the replicas that the last completed run left serving and that this run keeps; those of an idle slot are
   * stopped on purpose.
   */
  get kept(): string[] {
    return this.deploys ? [] : this.target.replicas.map(({ name }) => name);
  }

  get target(): SlotReplicas {
    return { slot: this.plan.target, replicas: this.plan.replicas[this.plan.target] };
  }

  /** The replicas that serve once this run has succeeded, as scrape targets. */
  get serving(): { name: string; release: string }[] {
    return this.target.replicas.map(({ name }) => ({ name, release: this.plan.wanted.release }));
  }

  /** What the other slot holds; undefined when it is empty. */
  get other(): SlotReplicas | undefined {
    const { idle, replicas } = this.plan;
    return idle === undefined ? undefined : { slot: idle.slot, replicas: replicas[idle.slot] };
  }
}

/**
 * What the edge and the agent must know of the slots. Use {@link Slots} even for one container: it makes the marker's
 * volume and chooses the addresses.
 *
 * - `plan.replicas`: where the replicas of each slot are, or will be: container, address and port on the network `front`,
 *   and where each takes `POST /reload`. nginx needs both slots when it starts; for a slot that is never used, repeat
 *   the other.
 * - `marker`: the volume that holds the active-slot marker, the directory where it is to be mounted, and the file in it.
 *   While the file is missing, blue is active.
 * - `reloadOnFront`: whether a replica takes `POST /reload` on its main port, so that the agent has to join `front`.
 * - `recoverActiveSlot`, if there is one: done before a container with a fixed address on `front` is created. Its
 *   one-shot takes any address that is free there, such as that of a container that was lost.
 */
export type SlotsAsSeen = Pick<Slots, "marker" | "reloadOnFront"> &
  Partial<Pick<Slots, "recoverActiveSlot">> & { plan: Pick<ReleasePlan, "replicas"> };

/** What a container with a fixed address on `front` has to wait for. */
export const beforeFixedAddress = ({ recoverActiveSlot }: SlotsAsSeen): pulumi.Resource[] =>
  recoverActiveSlot === undefined ? [] : [recoverActiveSlot];

export interface PromotionArgs {
  vm: Vm;
  slots: Slots;
  /** Containers of the target slot; replacing one of them means a new promotion. */
  containers: readonly docker.Container[];
  /** Docker volume and file name of the configuration: a release must report that it works with this very file. */
  config: { volume: pulumi.Input<string>; file: string };
  /** Version to which {@link AuditService} brought the schema: a release must report at least this. */
  schemaVersion: pulumi.Output<number | undefined>;
  /** What must be done first; above all, the edge must know the slot's replicas. */
  dependsOn?: readonly pulumi.Resource[];
  /** Seconds between the promotion and the stop of the other slot; default 2. */
  drainSeconds?: number;
}

/**
 * Promotes the target slot: starts its replicas, waits until they are ready, switches the marker; then drains the other
 * slot. A release is ready when it can store events and works with the configuration and the schema of this deploy.
 * Otherwise the promotion fails with the last lines of the containers' logs, and the active slot keeps serving.
 *
 * The type token and the resource names here are older than the terms "promote" and "recover". They stay, because
 * deployed stacks identify their resources by them.
 */
export class Promotion extends pulumi.ComponentResource {
  /** State of the slots, for the next run's `previous`. */
  readonly state: pulumi.Output<ReleaseState>;
  readonly release: pulumi.Output<string>;
  readonly image: pulumi.Output<string>;
  /**
   * Done once the target slot is active: what needs only that, such as Prometheus's targets, does not wait for the
   * drain.
   */
  readonly promoted: pulumi.Resource;

  constructor(name: string, args: PromotionArgs, opts?: pulumi.ComponentResourceOptions) {
    super("audit:index:Cutover", name, {}, opts);
    const { slots } = args;
    const promoted = this.#promote(name, args);
    const done = slots.other === undefined ? promoted : this.#drain(name, args, slots.other, promoted);
    this.promoted = promoted;
    this.state = heldUntil([done], slots.plan.next);
    this.release = heldUntil([done], slots.plan.wanted.release);
    this.image = heldUntil([done], slots.plan.wanted.image);
    this.registerOutputs({ state: this.state, release: this.release, image: this.image });
  }

  #promote(name: string, { vm, slots, containers, config, ...args }: PromotionArgs): command.local.Command {
    const { user, pids } = slots.spec;
    return vm.script(
      `${name}-cutover`,
      {
        script: pulumi.all([config.volume, args.schemaVersion]).apply(([volume, schemaVersion]) => {
          const group = user.slice(user.indexOf(":") + 1);
          const gate = { config: { volume, file: config.file, group }, schemaVersion };
          return promoteScript({ target: slots.target, gate, pids }, slots.context);
        }),
        triggers: [slots.recoverActiveSlot.id, ...containers.map((container) => container.id)],
        verbose: true,
      },
      {
        parent: this,
        dependsOn: [...containers, ...(args.dependsOn ?? [])],
        replacementTrigger: vm.starting(`${name}-cutover`, slots.kept),
      },
    );
  }

  #drain(
    name: string,
    { vm, slots, drainSeconds = 2 }: PromotionArgs,
    other: SlotReplicas,
    promoted: command.local.Command,
  ): command.local.Command {
    return vm.script(
      `${name}-drain`,
      {
        script: drainScript({ target: slots.plan.target, other, drainSeconds }, slots.context),
        triggers: [promoted.id],
        verbose: true,
      },
      { parent: this, dependsOn: [promoted] },
    );
  }
}
