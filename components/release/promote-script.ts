import { BACKGROUND_SHARES, SERVING_SHARES } from "../../lib/cpu-weight";
import type { Slot } from "../../lib/release-state";
import type { Replica } from "./release";
import { scriptLine } from "../host/script-file";
import { commandLine } from "../../lib/shell";
import { helperCommand, type PromotionContext, type Gate } from "./switch-helper";

export interface SlotReplicas {
  slot: Slot;
  replicas: readonly Replica[];
}

/** Replicas as the scripts take them: NAME=URL, where the URL answers whether the replica is ready. */
const withUrls = (of: SlotReplicas, { readyPath }: PromotionContext): string =>
  of.replicas.map((r) => `${r.name}=http://${r.address}:${r.port}${readyPath}`).join(" ");

/**
 * Shell line for the VM to run before the target slot's containers are replaced, so that a deploy never replaces the
 * active slot (components/host/recover.sh).
 */
export function recoverScript(target: Slot, other: SlotReplicas | undefined, context: PromotionContext): string {
  if (other === undefined) return commandLine(["true"]);
  return scriptLine("recover.sh", helperCommand(context), {
    TARGET: target,
    OTHER: other.slot,
    OTHER_REPLICAS: withUrls(other, context),
    READY_SECONDS: context.readyDeadline,
  });
}

export interface PromotionPlan {
  target: SlotReplicas;
  gate: Gate;
  /** Limit of processes of one replica. */
  pids: number;
}

/** Shell line for the VM: start, wait until ready, switch (components/host/promote.sh). */
export function promoteScript({ target, gate, pids }: PromotionPlan, context: PromotionContext): string {
  return scriptLine("promote.sh", helperCommand(context, gate), {
    TARGET: target.slot,
    TARGET_REPLICAS: withUrls(target, context),
    READY_SECONDS: context.readyDeadline,
    PIDS: pids,
    SERVING_SHARES,
    BACKGROUND_SHARES,
  });
}

export interface DrainPlan {
  /** The slot that was promoted. */
  target: Slot;
  /** The slot to drain and stop. */
  other: SlotReplicas;
  /** Seconds between the promotion and the stop of the other slot. */
  drainSeconds: number;
}

/** Shell line for the VM to run after the promotion: drain and stop the other slot (components/host/drain.sh). */
export function drainScript({ target, other, drainSeconds }: DrainPlan, context: PromotionContext): string {
  return scriptLine("drain.sh", helperCommand(context), {
    TARGET: target,
    OTHER: other.slot,
    OTHER_REPLICAS: withUrls(other, context),
    DRAIN_SECONDS: drainSeconds,
  });
}
