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

/** What a release has to report before it is put in charge, besides being ready. */
export interface Gate {
  /** Docker volume and name of the configuration file as it was rendered, and the `uid:gid` that may read it. */
  config: { volume: string; file: string; user: string };
  /** Version to which `migrate` brought the schema; undefined when it said none. */
  schemaVersion: number | undefined;
}

/** Name of the file whose presence in the flag volume puts green in charge. */
export const FLAG = "green";
/** Name of the file there that says which run of a script was the last to begin. */
const OWNER = "owner";
/** File by which looking at the owner and deciding become one step. */
const LOCK = "exec 9> /flag/lock; flock 9";
const MINE = `[ "$(cat /flag/${OWNER})" = "$0" ] || { echo "another deploy has begun in the meantime; this one decides nothing more" >&2; exit 1; }`;

const flagRun = (context: CutoverContext, ...steps: string[]) =>
  dockerRun({
    image: context.tools,
    entrypoint: "sh",
    volumes: [`${context.flagVolume}:/flag`],
    command: ["-c", steps.join("; ")],
  }) + ' "$me"';

/**
 * Shell text that waits until every URL it is given answers 2xx; at the deadline it prints the first that does not, with the reason,
 * and fails. With a gate, what an answer reports must be right as well; an image that reports no digest or no schema version
 * (audit-svc/CONTRACT.md) is taken at its word.
 *
 * @param deadline seconds
 * @param gate the configuration file, mounted here, and the least version of the schema
 */
export function readyScript(
  deadline: number,
  gate?: { configFile: string; schemaVersion: number | undefined },
): string {
  const digest =
    gate === undefined
      ? []
      : [
          `want=$(sha256sum ${quote(gate.configFile)} | cut -c 1-64)`,
          `case "$body" in *'"digest"'*) case "$body" in *"$want"*) ;; *) why="works with another configuration than the one rendered, sha256 $want: $body"; return 1 ;; esac ;; esac`,
        ];
  const schema =
    gate?.schemaVersion === undefined
      ? []
      : [
          `got=$(printf %s "$body" | sed -n 's/.*"schemaVersion": *\\([0-9]*\\).*/\\1/p')`,
          `[ "\${got:-${gate.schemaVersion}}" -ge ${gate.schemaVersion} ] || { why="sees version $got of the schema, and migrate made ${gate.schemaVersion}"; return 1; }`,
        ];
  const right = ['body=$(wget -q -T 2 -O - "$1") || { why="does not answer 2xx"; return 1; }', ...digest, ...schema];
  return [
    `end=$(( $(date +%s) + ${deadline} ))`,
    `right() { ${right.join("; ")}; }`,
    `for url in "$0" "$@"; do until right "$url"; do if [ "$(date +%s)" -ge "$end" ]; then echo "$url $why"; exit 1; fi; sleep 0.2; done; done`,
  ].join("; ");
}

/** Shell functions common to both scripts. */
function library(context: CutoverContext, gate?: Gate): string[] {
  const ready = dockerRun({
    image: context.tools,
    entrypoint: "sh",
    network: context.frontNetwork,
    ...(gate && { volumes: [`${gate.config.volume}:/config:ro`], user: gate.config.user }),
    command: [
      "-c",
      readyScript(
        context.readyDeadline,
        gate && { configFile: `/config/${gate.config.file}`, schemaVersion: gate.schemaVersion },
      ),
    ],
  });
  return [
    "set -eu",
    // A deploy that was killed can leave its script running on the VM. Whoever comes later writes its name into the flag volume, and
    // a script that finds another's name there has nothing to decide any more.
    "me=$(cat /proc/sys/kernel/random/uuid)",
    "began=$(date +%s)",
    "take_over() { " + flagRun(context, LOCK, `printf %s "$0" > /flag/${OWNER}`) + "; }",
    "still_mine() { " + flagRun(context, MINE) + "; }",
    "serving() { " + flagRun(context, `if [ -e /flag/${FLAG} ]; then echo green; else echo blue; fi`) + "; }",
    // A flag that is there is left alone: it is read-only, and root without capabilities may not write to it either.
    'put_in_charge() { if [ "$1" = green ]; then ' +
      flagRun(context, LOCK, MINE, `[ -e /flag/${FLAG} ] || { : > /flag/${FLAG}; chmod 0444 /flag/${FLAG}; }`) +
      "; else " +
      flagRun(context, LOCK, MINE, `rm -f /flag/${FLAG}`) +
      "; fi; }",
    `ready() { ${ready} "$@"; }`,
    // `docker start` on a running container is no error and changes nothing.
    `start() { for c in "$@"; do docker start "$c" > /dev/null || { echo "container $c does not start" >&2; return 1; }; done; }`,
    // Only what runs: a deploy that was killed may have removed one of them.
    `stop() { running=$(docker container ls --format '{{.Names}}'); for c in "$@"; do shift; if printf '%s\\n' "$running" | grep -qFx "$c"; then set -- "$@" "$c"; fi; done; [ $# -eq 0 ] || docker stop --time 30 "$@" > /dev/null; }`,
    // By both: a restart takes .State.OOMKilled back, and Docker tells of no event when it was the container's first moment.
    'killed() { ooms=$(docker events --since "$began" --until "$(date +%s)" --filter "container=$1" --filter event=oom --format x | wc -l); [ "$ooms" -gt 0 ] || [ "$(docker inspect --format "{{.State.OOMKilled}}" "$1" 2> /dev/null)" = true ] || return 0; echo ", killed for want of memory at its limit of $(( $(docker inspect --format "{{.HostConfig.Memory}}" "$1") / 1048576 )) MiB"; }',
    `report() { for c in "$@"; do echo "--- $c: $(docker inspect --format '{{.State.Status}}, exit code {{.State.ExitCode}}, {{.RestartCount}} restarts' "$c" 2>&1)$(killed "$c"); its last lines:" >&2; docker logs --tail 50 "$c" >&2 2>&1 || true; done; }`,
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
  return [
    ...library(context, plan.gate),
    "take_over",
    `start ${names(target)} || { report ${names(target)}; exit 1; }`,
    `docker update --pids-limit ${plan.pids} ${names(target)} > /dev/null`,
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
          `sleep ${plan.drainSeconds}`,
          "still_mine",
          `stop ${names(other)}`,
          `echo "slot ${other.slot} is drained and kept for a rollback"`,
        ]),
  ].join("\n");
}
