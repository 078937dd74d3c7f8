import { dockerRun, quote } from "./shell";
import type { Replica, Slot } from "./release";

/** What the scripts on the VM work with. */
export interface CutoverContext {
  /** Image with `sh` and `wget`. */
  tools: string;
  /** Docker network of the replicas' main port. */
  frontNetwork: string;
  /** Docker volume of the flag file. */
  flagVolume: string;
  /** Seconds until a slot's replicas must be ready. */
  readyDeadline: number;
  /** Path that answers 200 once a replica can store events. */
  readyPath: string;
}

export interface SlotReplicas {
  slot: Slot;
  replicas: readonly Replica[];
}

/** Name of the file whose presence in the flag volume puts green in charge. */
export const FLAG = "green";
/** Name of the file there that says which run of a script was the last to begin. */
const OWNER = "owner";

const flagRun = (context: CutoverContext, script: string) =>
  dockerRun({
    image: context.tools,
    entrypoint: "sh",
    volumes: [`${context.flagVolume}:/flag`],
    command: ["-c", script],
  }) + ' "$me"';

/** Shell functions common to both scripts. */
function library(context: CutoverContext): string[] {
  const wait = `end=$(( $(date +%s) + ${context.readyDeadline} )); for url in $0 "$@"; do until wget -q -T 2 -O /dev/null "$url"; do if [ "$(date +%s)" -ge "$end" ]; then echo "$url"; exit 1; fi; sleep 0.2; done; done`;
  const ready = dockerRun({
    image: context.tools,
    entrypoint: "sh",
    network: context.frontNetwork,
    command: ["-c", wait],
  });
  return [
    "set -eu",
    // A deploy that was killed can leave its script running on the VM. Whoever comes later writes its name into the flag volume, and
    // a script that finds another's name there has nothing to decide any more.
    "me=$(cat /proc/sys/kernel/random/uuid)",
    "take_over() { " + flagRun(context, `printf %s "$0" > /flag/${OWNER}`) + "; }",
    "still_mine() { " +
      flagRun(context, `test "$(cat /flag/${OWNER})" = "$0"`) +
      ' || { echo "another deploy has begun in the meantime; this one decides nothing more" >&2; exit 1; }; }',
    "serving() { " + flagRun(context, `if [ -e /flag/${FLAG} ]; then echo green; else echo blue; fi`) + "; }",
    // A flag that is there is left alone: it is read-only, and root without capabilities may not write to it either.
    'put_in_charge() { still_mine; if [ "$1" = green ]; then ' +
      flagRun(context, `[ -e /flag/${FLAG} ] || { : > /flag/${FLAG}; chmod 0444 /flag/${FLAG}; }`) +
      "; else " +
      flagRun(context, `rm -f /flag/${FLAG}`) +
      "; fi; }",
    `ready() { ${ready} "$@"; }`,
    // `docker start` on a running container is no error and changes nothing.
    `start() { for c in "$@"; do docker start "$c" > /dev/null || { echo "container $c does not start" >&2; return 1; }; done; }`,
    `report() { for c in "$@"; do echo "--- $c: $(docker inspect --format '{{.State.Status}}, exit code {{.State.ExitCode}}, {{.RestartCount}} restarts' "$c" 2>&1); its last lines:" >&2; docker logs --tail 50 "$c" >&2 2>&1 || true; done; }`,
  ];
}

const names = (of: SlotReplicas) => of.replicas.map((r) => quote(r.name)).join(" ");
const urls = (of: SlotReplicas, context: CutoverContext) =>
  of.replicas.map((r) => quote(`http://${r.address}:${r.port}${context.readyPath}`)).join(" ");

/**
 * Run before the target slot's containers are replaced. Normally the other slot serves and there is nothing to do. When a
 * run was killed between flip and record, the target serves: then the other slot is put back in charge first, so that a
 * deploy never replaces what serves.
 */
export function guardScript(target: Slot, other: SlotReplicas | undefined, context: CutoverContext): string {
  if (other === undefined) return "true";
  return [
    ...library(context),
    "take_over",
    `if [ "$(serving)" = ${target} ]; then`,
    `  echo "${target} serves although the last completed deploy says ${other.slot}: putting ${other.slot} back in charge first"`,
    `  start ${names(other)}`,
    `  ready ${urls(other, context)} || { report ${names(other)}; echo "${other.slot} does not become ready; nothing was changed" >&2; exit 1; }`,
    `  put_in_charge ${other.slot}`,
    "  sleep 1",
    "fi",
  ].join("\n");
}

/** Start, wait until ready, flip, drain, stop the other. Each step may be repeated without harm. */
export function cutoverScript(
  target: SlotReplicas,
  other: SlotReplicas | undefined,
  pids: number,
  drainSeconds: number,
  context: CutoverContext,
): string {
  return [
    ...library(context),
    "take_over",
    `start ${names(target)} || { report ${names(target)}; exit 1; }`,
    `docker update --pids-limit ${pids} ${names(target)} > /dev/null`,
    `late=$(ready ${urls(target, context)}) || {`,
    `  report ${names(target)}`,
    // It serves nobody, and nothing else would stop it when the next deploy goes back to what serves.
    "  still_mine",
    `  if [ "$(serving)" != ${target.slot} ]; then docker stop --time 5 ${names(target)} > /dev/null; fi`,
    `  echo "the new release in slot ${target.slot} is not ready within ${context.readyDeadline} s ($late); slot $(serving) serves on" >&2`,
    "  exit 1",
    "}",
    `put_in_charge ${target.slot}`,
    `echo "slot ${target.slot} serves"`,
    ...(other === undefined
      ? []
      : [
          // Requests that nginx had passed on before the flip are still being answered; then SIGTERM lets the rest finish.
          `sleep ${drainSeconds}`,
          "still_mine",
          `docker stop --time 30 ${names(other)} > /dev/null`,
          `echo "slot ${other.slot} is drained and kept for a rollback"`,
        ]),
  ].join("\n");
}
