import { ASIDE_SHARES, SERVING_SHARES } from "./cpu-weight";
import type { Replica, Slot } from "./release";
import { quote } from "./shell";
import { besideHelper, type CutoverContext, type Gate } from "./switch-helper";

/** Restarts by Docker after which a replica is given up, however long it still has: the fifth comes some three seconds after the first. */
const RESTARTS = 5;

export interface SlotReplicas {
  slot: Slot;
  replicas: readonly Replica[];
}

/** Shell functions common to both scripts. */
function library(context: CutoverContext): string[] {
  return [
    "set -eu",
    "began=$(date +%s)",
    'weigh() { shares=$1; shift; docker update --cpu-shares "$shares" "$@" > /dev/null; }',
    // By both: a restart takes .State.OOMKilled back, and Docker tells of no event when it was the container's first moment.
    'killed() { ooms=$(docker events --since "$began" --until "$(date +%s)" --filter "container=$1" --filter event=oom --format x | wc -l); [ "$ooms" -gt 0 ] || [ "$(docker inspect --format "{{.State.OOMKilled}}" "$1" 2> /dev/null)" = true ] || return 0; echo ", killed for want of memory at its limit of $(( $(docker inspect --format "{{.HostConfig.Memory}}" "$1") / 1048576 )) MiB"; }',
    `report() { for c in "$@"; do echo "--- $c: $(docker inspect --format '{{.State.Status}}, exit code {{.State.ExitCode}}, {{.RestartCount}} restarts' "$c" 2>&1)$(killed "$c"); its last lines:" >&2; docker logs --tail 50 "$c" >&2 2>&1 || true; done; }`,
    // `docker start` of a running container is no error and changes nothing, of one between two restarts too; of another it begins to
    // count its restarts anew.
    `start() { case "$(docker inspect --format '{{.State.Status}}' "$1")" in paused) docker unpause "$1" ;; restarting) docker restart "$1" ;; *) docker start "$1" ;; esac > /dev/null; }`,
    // As many at a time as half of the cores: what starts takes one, and two of them all that a small machine has. Arguments: NAME=URL.
    "bring_up() { at_once=$(( $(nproc) / 2 )); begun=; left=$#",
    '  for one in "$@"; do left=$(( left - 1 )); begun="$begun $one"',
    '    start "${one%%=*}" || { late="container ${one%%=*} does not start"; return 1; }',
    '    if [ "$left" -gt 0 ] && [ "$(echo $begun | wc -w)" -lt "$at_once" ]; then continue; fi',
    `    end=$(( $(date +%s) + ${context.readyDeadline} ))`,
    "    for one in $begun; do c=${one%%=*}",
    '      while ask await "${one#*=}"; [ "$answer" != ready ]; do late=$answer',
    `        restarts=$(docker inspect --format '{{.RestartCount}}' "$c") || return 1`,
    `        if [ "$restarts" -ge ${RESTARTS} ]; then late="$c has ended $restarts times: $late"; return 1; fi`,
    `        if [ "$(date +%s)" -ge "$end" ]; then late="within ${context.readyDeadline} s: $late"; return 1; fi`,
    "      done",
    "    done",
    "    begun=",
    "  done",
    "}",
    'put_in_charge() { ask charge "$1"; mine; [ "$answer" = done ] || { echo "slot $1 is not put in charge: $answer" >&2; exit 1; }; }',
    // Only what runs: a deploy that was killed may have removed one of them. The first argument is the time that each has to end. None
    // waits for another's last clients, but they do not end in one moment either, for the same reason as above.
    "end() { seconds=$1; shift; stops=; running=$(docker container ls --format '{{.Names}}')",
    '  for c in "$@"; do if printf \'%s\\n\' "$running" | grep -qFx "$c"; then [ -z "$stops" ] || sleep 0.5; docker stop --time "$seconds" "$c" > /dev/null & stops="$stops $!"; fi; done',
    '  for stop in $stops; do wait "$stop"; done',
    "}",
  ];
}

const names = (of: SlotReplicas) => of.replicas.map((r) => quote(r.name)).join(" ");
const withUrls = (of: SlotReplicas, context: CutoverContext) =>
  of.replicas.map((r) => quote(`${r.name}=http://${r.address}:${r.port}${context.readyPath}`)).join(" ");

/**
 * Run before the target slot's containers are replaced. Normally the other slot serves and there is nothing to do. When a
 * run was killed between flip and record, the target serves: then the other slot is put back in charge first, so that a
 * deploy never replaces what serves.
 */
export function guardScript(target: Slot, other: SlotReplicas | undefined, context: CutoverContext): string {
  if (other === undefined) return "true";
  const steps = [
    "ask take-over",
    `if [ "$answer" = ${target} ]; then`,
    `  echo "${target} serves although the last completed deploy says ${other.slot}: putting ${other.slot} back in charge first"`,
    `  bring_up ${withUrls(other, context)} || { report ${names(other)}; echo "${other.slot} does not become ready ($late); nothing was changed" >&2; exit 1; }`,
    `  put_in_charge ${other.slot}`,
    "  sleep 1",
    "fi",
  ];
  return [...library(context), besideHelper(steps, context)].join("\n");
}

export interface CutoverPlan {
  target: SlotReplicas;
  /** What is drained and stopped afterwards; undefined when the other slot is empty. */
  other: SlotReplicas | undefined;
  gate: Gate;
  /** Limit of processes of one replica. */
  pids: number;
  /** Seconds between the flip and the stop of the other slot. */
  drainSeconds: number;
}

/** Start, wait until ready, flip, drain, stop the other. Each step may be repeated without harm. */
export function cutoverScript(plan: CutoverPlan, context: CutoverContext): string {
  const { target, other } = plan;
  const steps = [
    "ask take-over",
    // What starts or ends gives way to what serves.
    `if [ "$answer" = ${target.slot} ]; then shares=${SERVING_SHARES}; else shares=${ASIDE_SHARES}; fi`,
    `docker update --cpu-shares "$shares" --pids-limit ${plan.pids} ${names(target)} > /dev/null`,
    `bring_up ${withUrls(target, context)} || {`,
    `  report ${names(target)}`,
    // It serves nobody, and nothing else would stop it when the next deploy goes back to what serves.
    "  ask mine; mine",
    `  if [ "$answer" != ${target.slot} ]; then end 5 ${names(target)}; fi`,
    `  echo "the new release in slot ${target.slot} is not ready ($late); slot $answer serves on" >&2`,
    "  exit 1",
    "}",
    `weigh ${SERVING_SHARES} ${names(target)}`,
    `put_in_charge ${target.slot}`,
    `echo "slot ${target.slot} serves"`,
    ...(other === undefined
      ? []
      : [
          // Requests that nginx had passed on before the flip are still being answered; then SIGTERM lets the rest finish.
          `sleep ${plan.drainSeconds}`,
          "ask mine; mine",
          `end 30 ${names(other)}`,
          `echo "slot ${other.slot} is drained and kept for a rollback"`,
        ]),
  ];
  return [...library(context), besideHelper(steps, context, plan.gate)].join("\n");
}
